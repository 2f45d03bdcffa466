"""A tensor per image, kept in the cache as one file of bytes, in the type and memory order in which it was computed.

N = images, B = images in a batch, R = bytes of a row
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo import durable
from xzoo.data import cache
from xzoo.data.feed import copied, gathered
from xzoo.data.shards import Shards, Stored, rows_in

SHARE = 4
"""One set of rows may take this part of the cache: a quarter, so that packs and views stay in it."""

_FORMAT = "xzoo.rows/2"
_BYTES, _FACTS = "rows.bin", "rows.json"

Placed = Iterator[tuple[NDArray[np.int64], Tensor]]


@dataclass(frozen=True)
class Layout:
    """What a row's bytes mean: element type, shape, and distance between neighbours in elements, per dimension."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows on disk, the seconds that computing them once took, and words on how it was done."""

    bytes_NR: Stored
    layout: Layout
    seconds: float
    detail: str = ""

    def take(self, places_B: NDArray[np.int64], device: str) -> Tensor:
        """Return a copy of these rows (B,...) on the device, laid out in memory as the batch that was computed."""
        return next(self.batches([places_B], device))

    def batches(self, batches: Sequence[NDArray[np.int64]], device: str, held_NR: Tensor | None = None) -> Iterator[Tensor]:
        """Yield a copy of the rows (B,...) at each batch's places; `held_NR` are all bytes where they lie on the device."""
        return map(self._laid_out, gathered(self.bytes_NR, batches, device, held_NR))

    def whole(self, device: str) -> Tensor:
        """Return a copy of all rows (N,...) on the device."""
        return self._laid_out(copied(self.bytes_NR, device))

    def _laid_out(self, bytes_BR: Tensor) -> Tensor:
        flat_BE = bytes_BR.view(getattr(torch, self.layout.dtype))
        return flat_BE.as_strided((len(flat_BE), *self.layout.shape), (flat_BE.shape[1], *self.layout.strides))


def num_bytes(batch: Tensor) -> int:
    """Return the bytes that one row of a batch takes."""
    return batch[0].numel() * batch.element_size()


def fit(num_rows: int, row_bytes: int) -> bool:
    """Whether so many rows take no more than their share of the cache."""
    return num_rows * row_bytes * SHARE <= cache.limit()


def kept(words: Sequence[object], num_rows: int, compute: Callable[[], Placed], describe: Callable[[], str] = lambda: "") -> Rows:
    """Return the rows that `words` identify, from the cache where they are there; else `compute` yields each place and row once.

    `describe` is asked afterwards how that was done. Of several processes that compute the same rows at once, the first to end
    puts its own in place. Raises StorageError.
    """
    key = hashlib.sha256("\n".join(map(str, (_FORMAT, num_rows, *words))).encode()).hexdigest()[:32]
    folder = cache.root() / "features" / key

    def is_whole() -> bool:
        return cache.is_intact(folder, [_BYTES, _FACTS])

    def write() -> None:
        began = time.perf_counter()
        with durable.new_folder(folder, is_whole) as temporary:
            layout = _fill(temporary / _BYTES, num_rows, compute())
            facts = {**asdict(layout), "seconds": time.perf_counter() - began, "detail": describe()}
            durable.fill_bytes(temporary / _FACTS, json.dumps(facts).encode())

    return cache.entry(folder, is_whole, write, lambda: _read(folder, num_rows))


def _fill(path: Path, num_rows: int, placed: Placed) -> Layout:
    first = next(placed, None)
    if first is None:
        raise ValueError("there are no rows to keep")
    layout = _layout(first[1])
    with durable.fill_file(path, num_rows * num_bytes(first[1])) as file:
        for places_B, batch in itertools.chain([first], placed):
            _place(file, places_B, _bytes(batch, layout))
    return layout


def _place(file: IO[bytes], places_B: NDArray[np.int64], rows_BR: NDArray[np.uint8]) -> None:
    """Write rows at their places, neighbours in one go."""
    ends = np.flatnonzero(np.diff(places_B) != 1) + 1
    for places, rows in zip(np.split(places_B, ends), np.split(rows_BR, ends), strict=True):
        file.seek(int(places[0]) * rows_BR.shape[1])
        file.write(np.ascontiguousarray(rows).data)


def _layout(batch: Tensor) -> Layout:
    """Return the layout of a batch whose rows lie apart and whole in memory, else that of a contiguous copy."""
    shape, strides = tuple(batch.shape[1:]), tuple(batch.stride()[1:])
    order = sorted((stride, size) for stride, size in zip(strides, shape, strict=True) if size > 1)
    is_dense = all(stride == math.prod(size for _, size in order[:place]) for place, (stride, _) in enumerate(order))
    if not is_dense or (len(batch) > 1 and batch.stride(0) != math.prod(shape)):
        strides = torch.empty(shape, device="meta").stride()
    return Layout(str(batch.dtype).removeprefix("torch."), shape, strides)


def _bytes(batch: Tensor, layout: Layout) -> NDArray[np.uint8]:
    size = math.prod(layout.shape)
    ordered = torch.empty_strided((len(batch), *layout.shape), (size, *layout.strides), dtype=batch.dtype)
    ordered.copy_(batch.detach())
    rows_BR: NDArray[np.uint8] = ordered.as_strided((len(batch), size), (size, 1)).view(torch.uint8).numpy()
    return rows_BR


def _read(folder: Path, num_rows: int) -> Rows:
    facts = json.loads((folder / _FACTS).read_bytes())
    layout = Layout(facts["dtype"], tuple(facts["shape"]), tuple(facts["strides"]))
    row_bytes = math.prod(layout.shape) * getattr(torch, layout.dtype).itemsize
    stored = rows_in(Shards([folder / _BYTES], [num_rows * row_bytes]), num_rows, (row_bytes,))
    return Rows(stored, layout, facts["seconds"], facts["detail"])
