"""Bytes in one file or several, mapped and read as one. Of many bytes, pages that were read are given back: memory stays bounded.

N = rows
"""

from __future__ import annotations

import itertools
import math
import mmap
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

SHARD_BYTES = 128 << 20
"""A shard is full when another image would take it above this. What takes no more in all stays mapped, as an array of its own."""

_MAPPED_BYTES = 64 << 20
"""Pages that may be mapped between two times of giving all of them back."""

_AROUND = 64 << 10
"""The kernel maps so many bytes around the one that is read, where it has them at hand."""

_PAGE = mmap.ALLOCATIONGRANULARITY


class Shards:
    """Bytes of `sizes` in files at `paths`, one behind the other, mapped to be read. Nothing that is read may cross two files.

    It is pickled as paths and sizes. Raises FileNotFoundError, and ValueError for a file that is shorter than its size.
    """

    def __init__(self, paths: Sequence[Path], sizes: Sequence[int]) -> None:
        self.paths, self.sizes = tuple(paths), tuple(sizes)
        self._starts = [0, *itertools.accumulate(self.sizes)]
        self._maps = [_mapped(path, size) for path, size in zip(self.paths, self.sizes, strict=True)]
        self.parts: tuple[NDArray[np.uint8], ...] = tuple(np.frombuffer(one, np.uint8) for one in self._maps)
        self._around = 0

    def __reduce__(self) -> tuple[type[Shards], tuple[tuple[Path, ...], tuple[int, ...]]]:
        return Shards, (self.paths, self.sizes)

    @property
    def nbytes(self) -> int:
        """The bytes of all files together."""
        return self._starts[-1]

    @property
    def is_small(self) -> bool:
        """Whether it lies in one file, all of which may stay mapped."""
        return len(self.parts) == 1 and self.nbytes <= SHARD_BYTES

    def read(self, start: int, size: int) -> NDArray[np.uint8]:
        """Return bytes from a place on, as they lie in a map; what was read long before is no longer in memory."""
        which = bisect_right(self._starts, start) - 1
        if not self.is_small:
            self._around += size + _AROUND
            if self._around > _MAPPED_BYTES:
                self.release()
        begin = start - self._starts[which]
        return self.parts[which][begin : begin + size]

    def expect(self, start: int, size: int) -> None:
        """Let the system begin to read bytes from the disk that will be asked for soon, where it can."""
        which = bisect_right(self._starts, start) - 1
        begin = start - self._starts[which]
        first = begin // _PAGE * _PAGE
        if hasattr(mmap, "MADV_WILLNEED"):
            self._maps[which].madvise(mmap.MADV_WILLNEED, first, begin + size - first)

    def release(self) -> None:
        """Give all pages back; they come again, from the system's own memory or the disk, when they are read."""
        self._around = 0
        if hasattr(mmap, "MADV_DONTNEED"):
            for one in self._maps:
                one.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, eq=False)
class StoredRows:
    """Rows (N,...) of one shape in shards, `axes` their order in memory: an array of which rows are read and nothing else."""

    shards: Shards
    num_rows: int
    row_shape: tuple[int, ...]
    axes: tuple[int, ...]

    def __len__(self) -> int:
        return self.num_rows

    @property
    def shape(self) -> tuple[int, ...]:
        """That of an array of all rows."""
        return (self.num_rows, *(self.row_shape[axis] for axis in self.axes))

    @property
    def nbytes(self) -> int:
        """The bytes of all rows."""
        return self.num_rows * self._row_bytes

    @property
    def _row_bytes(self) -> int:
        return math.prod(self.row_shape)

    @overload
    def __getitem__(self, place: int | np.int64) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, place: NDArray[np.int64]) -> NDArray[np.uint8]: ...

    def __getitem__(self, place: int | np.int64 | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return one row as it is mapped, or a copy (B,...) of the rows at these places."""
        if isinstance(place, np.ndarray):
            return np.stack([self[int(one)] for one in place])
        size = self._row_bytes
        return self.shards.read(int(place) * size, size).reshape(self.row_shape).transpose(self.axes)

    def expect(self, places_B: NDArray[np.int64]) -> None:
        """Let the system begin to read the rows at these ascending places, neighbours in one go."""
        ends = np.flatnonzero(np.diff(places_B) != 1) + 1
        for places in np.split(places_B, ends):
            for first, last in self._within(int(places[0]), int(places[-1]) + 1):
                self.shards.expect(first * self._row_bytes, (last - first) * self._row_bytes)

    def _within(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return the parts of a range of rows that lie in one file each."""
        edges = [edge // self._row_bytes for edge in itertools.accumulate(self.shards.sizes)]
        inner = [edge for edge in edges if first < edge < last]
        return list(itertools.pairwise([first, *inner, last]))


Stored = NDArray[np.uint8] | StoredRows
"""Rows (N,...) that are mapped: few of them as an array."""


def rows_in(shards: Shards, num_rows: int, row_shape: tuple[int, ...], axes: tuple[int, ...] | None = None) -> Stored:
    """Return the rows that lie in shards; `axes` is the order in which those of a row are wanted, from 0."""
    order = tuple(range(len(row_shape))) if axes is None else axes
    if not shards.is_small:
        return StoredRows(shards, num_rows, row_shape, order)
    return shards.parts[0].reshape(num_rows, *row_shape).transpose(0, *(axis + 1 for axis in order))


def name_of(number: int) -> str:
    """Return the name of a shard's file, counted from 0."""
    return f"pixels-{number}.bin" if number else "pixels.bin"


def _mapped(path: Path, size: int) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
