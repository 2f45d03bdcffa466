"""Rows of a memory map brought to a device batch by batch: from its own memory where they lie there, else ahead of their use.

N = rows, B = rows in a batch
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data.shards import Stored, StoredRows

SHARE = 4
"""Rows stay on a device whole where they take this part of its free memory or less, a quarter: the rest is for networks."""

_PIECE_BYTES = 64 << 20


def gathered(rows_N: Stored, batches: Sequence[NDArray[np.int64]], device: str, held_N: Tensor | None = None) -> Iterator[Tensor]:
    """Yield a copy of the rows (B,...) at each batch's places, on the device; `held_N` are the same rows on it already.

    Of rows that are too many to stay mapped a thread gathers the next batch meanwhile, on a CPU too: they come from the disk.
    """
    if not batches:
        return iter(())
    if held_N is not None:
        return _on_device(held_N, batches)
    if device.startswith("cuda"):
        shape = (max(map(len, batches)), *rows_N.shape[1:])
        return ahead(rows_N, batches, Pinned(shape, device, min(2, len(batches))))
    if isinstance(rows_N, StoredRows):
        return _prefetched(rows_N, batches)
    return (_filled(rows_N, places_B, _empty((len(places_B), *rows_N.shape[1:]))) for places_B in batches)


def resident(rows_N: Stored, device: str) -> Tensor | None:
    """Return all rows on the device; None on a CPU, and where they would take more than their share of its free memory."""
    if not device.startswith("cuda") or rows_N.nbytes * SHARE > free_bytes(device):
        return None
    return copied(rows_N, device)


def copied(rows_N: Stored, device: str) -> Tensor:
    """Return a copy of all rows on the device, brought there in pieces."""
    if isinstance(rows_N, np.ndarray) and _is_colour_last(rows_N):
        # Colour last in memory: carried as it lies.
        return copied(rows_N.transpose(0, 2, 3, 1), device).permute(0, 3, 1, 2)
    found_N = torch.empty(rows_N.shape, dtype=torch.uint8, device=device)
    step = max(1, _PIECE_BYTES // max(1, rows_N.nbytes // max(1, len(rows_N))))
    pieces = [np.arange(start, min(start + step, len(rows_N))) for start in range(0, len(rows_N), step)]
    for piece, rows_B in zip(pieces, gathered(rows_N, pieces, device), strict=True):
        found_N[int(piece[0]) : int(piece[-1]) + 1] = rows_B
    return found_N


def _is_colour_last(rows_N: NDArray[np.uint8]) -> bool:
    return rows_N.ndim == 4 and not rows_N.flags.c_contiguous and rows_N.transpose(0, 2, 3, 1).flags.c_contiguous


def free_bytes(device: str) -> int:
    """Return the memory that a CUDA device could give, what torch holds and does not use included."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + unused


def uploaded(values: Tensor, device: str) -> Tensor:
    """Return values on the device, without waiting for their copy."""
    if not device.startswith("cuda") or not values.numel():
        return values.to(device, non_blocking=True)
    pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return pinned.copy_(values).to(device, non_blocking=True)


def spread(values_N: Tensor, batches: Sequence[NDArray[np.int64]], device: str) -> Sequence[Tensor]:
    """Return values on the device, one for each place of all batches, in parts of a batch each."""
    return torch.split(uploaded(values_N, device), [len(places_B) for places_B in batches])


class Carrier(Protocol):
    """Buffers on the host, and the way from them to a device."""

    @property
    def buffers(self) -> Sequence[Tensor]:
        """Memory for one batch each."""
        ...

    def wait(self, which: int) -> None:
        """Wait until the last copy out of a buffer has ended; called by the thread that fills buffers."""
        ...

    def send(self, which: int, count: int) -> Tensor:
        """Begin to copy a buffer's first rows to the device; called by the same thread."""
        ...

    def arrive(self, which: int, sent_B: Tensor) -> Tensor:
        """Return rows from a buffer for work on the caller's stream, which waits for their copy."""
        ...


class Pinned:
    """Buffers in pinned memory, copied to a CUDA device on a stream of their own; an event tells where a copy has ended."""

    def __init__(self, shape: tuple[int, ...], device: str, count: int) -> None:
        self.buffers = [torch.empty(shape, dtype=torch.uint8, pin_memory=True) for _ in range(count)]
        self.device = torch.device(device)
        self.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        self.ended = [torch.cuda.Event() for _ in range(count)]  # type: ignore[no-untyped-call]

    def wait(self, which: int) -> None:
        """Wait for the event; before the first copy it has nothing to wait for."""
        self.ended[which].synchronize()

    def send(self, which: int, count: int) -> Tensor:
        """Copy on the carrier's own stream, and record the event behind it."""
        with torch.cuda.stream(self.stream):
            sent_B = self.buffers[which][:count].to(self.device, non_blocking=True)
            self.ended[which].record(self.stream)
        return sent_B

    def arrive(self, which: int, sent_B: Tensor) -> Tensor:
        """Let the current stream wait for the event, and keep the memory until that stream is done with it."""
        stream = torch.cuda.current_stream(self.device)
        stream.wait_event(self.ended[which])
        sent_B.record_stream(stream)
        return sent_B


def ahead(rows_N: Stored, batches: Sequence[NDArray[np.int64]], carrier: Carrier) -> Iterator[Tensor]:
    """Yield the rows of each batch; a thread gathers and sends the next batch while the caller works on one."""

    num_buffers = len(carrier.buffers)

    def bring(number: int) -> Tensor:
        which, count = number % num_buffers, len(batches[number])
        carrier.wait(which)
        _filled(rows_N, batches[number], carrier.buffers[which][:count])
        return carrier.send(which, count)

    def arrive(number: int, sent_B: Tensor) -> Tensor:
        return carrier.arrive(number % num_buffers, sent_B)

    return _one_ahead(len(batches), bring, arrive)


def _prefetched(rows_N: StoredRows, batches: Sequence[NDArray[np.int64]]) -> Iterator[Tensor]:
    """Yield the rows of each batch; a thread gathers the next one, and asks the system for all its rows before the first."""

    def bring(number: int) -> Tensor:
        places_B = batches[number]
        rows_N.expect(np.unique(places_B))
        return _filled(rows_N, places_B, _empty((len(places_B), *rows_N.shape[1:])))

    return _one_ahead(len(batches), bring, lambda _, rows_B: rows_B)


def _one_ahead(count: int, bring: Callable[[int], Tensor], take: Callable[[int, Tensor], Tensor]) -> Iterator[Tensor]:
    """Yield what the caller's thread takes of batches that another thread brings, the next one while this one is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(bring, 0)
        for number in range(count):
            rows_B = take(number, coming.result())
            if number + 1 < count:
                coming = pool.submit(bring, number + 1)
            yield rows_B


def _on_device(held_N: Tensor, batches: Sequence[NDArray[np.int64]]) -> Iterator[Tensor]:
    for places_B in spread(torch.from_numpy(np.concatenate(batches)), batches, str(held_N.device)):
        yield held_N.index_select(0, places_B)


def _empty(shape: tuple[int, ...]) -> Tensor:
    return torch.empty(shape, dtype=torch.uint8)


def _filled(rows_N: Stored, places_B: NDArray[np.int64], buffer_B: Tensor) -> Tensor:
    rows_B = buffer_B.numpy()
    # One copy per row, in the order of the file: numpy's own gather would copy twice, and a strided view entirely.
    for place in np.argsort(places_B, kind="stable"):
        rows_B[place] = rows_N[places_B[place]]
    return buffer_B
