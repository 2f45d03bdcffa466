from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data import feed
from xzoo.data.feed import Pinned, ahead, copied, gathered, resident

ROWS = np.random.default_rng(0).integers(0, 256, (40, 3, 5, 4), dtype=np.uint8)
COLOUR_LAST = np.ascontiguousarray(ROWS.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
BATCHES = [np.array(places) for places in ([7, 3, 30], [1, 0, 2], [39, 38, 7], [5, 6, 4], [9, 8])]


class Slow:
    """A carrier whose copies happen at the last moment at which a device could be asked for them."""

    def __init__(self, count: int) -> None:
        self.buffers = [torch.zeros(3, *ROWS.shape[1:], dtype=torch.uint8) for _ in range(count)]
        self.under_way: list[tuple[int, Tensor]] = []
        self.sent = threading.Semaphore(0)

    def wait(self, which: int) -> None:
        self.end([one for one in self.under_way if one[0] == which])

    def send(self, which: int, count: int) -> Tensor:
        sent_B = torch.empty(count, *ROWS.shape[1:], dtype=torch.uint8)
        self.under_way.append((which, sent_B))
        self.sent.release()
        return sent_B

    def arrive(self, which: int, sent_B: Tensor) -> Tensor:
        return sent_B

    def end(self, copies: list[tuple[int, Tensor]]) -> None:
        for which, sent_B in copies:
            sent_B.copy_(self.buffers[which][: len(sent_B)])
            self.under_way.remove((which, sent_B))


def same(found: Iterator[Tensor] | list[Tensor], batches: list[NDArray[np.int64]] = BATCHES) -> bool:
    return all(np.array_equal(rows_B.numpy(), ROWS[places_B]) for rows_B, places_B in zip(list(found), batches, strict=True))


@pytest.mark.parametrize("rows", [ROWS, COLOUR_LAST])
def test_rows_come_batch_by_batch_from_the_file_or_from_where_they_are_held(rows: NDArray[np.uint8]) -> None:
    assert same(gathered(rows, BATCHES, "cpu"))
    assert same(gathered(rows, BATCHES, "cpu", torch.from_numpy(rows)))
    assert list(gathered(rows, [], "cuda")) == []


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_no_buffer_is_filled_again_before_its_copy_has_ended(count: int, number: int) -> None:
    carrier = Slow(count)
    found = list(ahead(ROWS, BATCHES[:number], carrier))
    assert len(carrier.under_way) <= count
    carrier.end(list(carrier.under_way))
    assert same(found, BATCHES[:number])


def test_the_next_batch_is_sent_while_the_caller_works_on_one() -> None:
    carrier = Slow(2)
    coming = ahead(ROWS, BATCHES, carrier)
    next(coming)
    assert all(carrier.sent.acquire(timeout=60) for _ in range(2))
    coming.close()  # type: ignore[attr-defined]


def test_what_goes_wrong_in_the_thread_is_told_to_the_caller_and_no_thread_stays() -> None:
    before = threading.active_count()
    with pytest.raises(IndexError):
        list(ahead(ROWS, [BATCHES[0], np.array([99])], Slow(2)))
    coming = ahead(ROWS, BATCHES, Slow(2))
    next(coming)
    coming.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


@pytest.mark.parametrize("rows", [ROWS, COLOUR_LAST, ROWS[::3], ROWS.reshape(40, -1), ROWS[:0]])
@pytest.mark.parametrize("piece", [1, 200, 1 << 20])
def test_a_whole_copy_is_made_of_pieces(rows: NDArray[np.uint8], piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_PIECE_BYTES", piece)
    assert np.array_equal(copied(rows, "cpu").numpy(), rows)


@pytest.mark.parametrize(("free", "stays"), [(4 * ROWS.nbytes, True), (4 * ROWS.nbytes - 1, False)])
def test_rows_stay_on_a_device_where_they_take_a_quarter_of_its_free_memory(
    free: int, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resident(ROWS, "cpu") is None
    monkeypatch.setattr(feed, "free_bytes", lambda device: free)
    monkeypatch.setattr(feed, "copied", lambda rows, device: torch.from_numpy(rows))
    assert (resident(ROWS, "cuda") is not None) == stays


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("rows", [ROWS, COLOUR_LAST])
def test_rows_on_cuda_are_those_of_the_file(rows: NDArray[np.uint8]) -> None:
    assert same([one.cpu() for one in gathered(rows, BATCHES, "cuda")])
    assert same([one.cpu() for one in ahead(rows, BATCHES, Pinned((3, *rows.shape[1:]), "cuda", 1))])
    held = resident(rows, "cuda")
    assert held is not None
    assert np.array_equal(held.cpu().numpy(), rows)
    assert same([one.cpu() for one in gathered(rows, BATCHES, "cuda", held)])
