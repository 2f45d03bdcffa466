from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Sequence

import numpy as np
import pytest

from xzoo.evaluate.timing import Burst, bursts_of, interleaved, ranks, timing
from xzoo.runs.result import Measure


def noting(name: str, seconds: float, seen: list[tuple[str, int]]) -> Burst:
    """Return a burst that takes no time, says that it took some, and notes that it was asked."""

    def burst(count: int) -> list[float]:
        seen.append((name, count))
        return [seconds] * count

    return burst


def taken(bursts: list[Sequence[float]] | Exception) -> list[Sequence[float]]:
    """Return bursts that came to their end."""
    assert not isinstance(bursts, Exception)
    return bursts


def test_works_are_sampled_in_alternating_order_with_as_many_bursts_each() -> None:
    seen: list[tuple[str, int]] = []
    found = interleaved([noting("a", 0.5, seen), noting("b", 0.4, seen), noting("c", 0.5, seen)], seconds=3)
    order = [name for name, _ in itertools.dropwhile(lambda one: one != ("a", 1), seen[5:])]
    assert "".join(order) == 3 * "abccba"
    assert [len(taken(bursts)) for bursts in found] == [6, 6, 6]


def test_a_burst_of_several_calls_begins_with_one_that_is_not_counted() -> None:
    seen: list[tuple[str, int]] = []
    [bursts] = interleaved([noting("a", 0.01, seen)], seconds=2)
    counted = seen[3:]
    assert counted == [("a", 1), ("a", 9)] * 20
    assert [len(burst) for burst in taken(bursts)] == [9] * 20


def test_the_slowest_sets_the_number_of_turns_and_the_others_make_longer_bursts() -> None:
    seen: list[tuple[str, int]] = []
    slow, fast = interleaved([noting("slow", 100.0, seen), noting("fast", 0.1, seen)], seconds=6)
    assert [len(burst) for burst in taken(slow)] == [1] * 6
    assert [len(burst) for burst in taken(fast)] == [9] * 6


@pytest.mark.parametrize("last", [0, 2, 4])
def test_a_work_that_fails_is_called_no_more_and_the_others_go_on(last: int) -> None:
    seen: list[tuple[str, int]] = []
    calls: list[int] = []

    def failing(count: int) -> list[float]:
        calls.append(count)
        if len(calls) > last:
            raise MemoryError("full")
        return [0.5] * count

    found, error = interleaved([noting("a", 0.5, seen), failing], seconds=3)
    assert [len(burst) for burst in taken(found)] == [1] * 6
    assert isinstance(error, MemoryError)
    assert len(calls) == last + 1


def test_no_garbage_is_collected_meanwhile() -> None:
    states: list[bool] = []

    def burst(count: int) -> list[float]:
        states.append(gc.isenabled())
        return [1.0] * count

    interleaved([burst], 1)
    assert set(states) == {False}
    assert gc.isenabled()


def test_each_call_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.accumulate(itertools.cycle([0.0, 0.25]))
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    assert bursts_of(lambda: None)(3) == [0.25, 0.25, 0.25]


def test_the_median_is_that_of_the_bursts_and_n_counts_them() -> None:
    found = timing([[0.001, 0.002, 0.9]] * 3 + [[0.004]] * 3, batch=2)
    assert found.p50_ms == Measure(3.0, 2.0, 4.0, 6)
    assert found.images_per_second == Measure(2 * 1e3 / 3.0, 500, 1000, 6)
    assert found.calls == 12


@pytest.mark.parametrize(
    ("calls", "has_p90", "has_p99"), [(19, False, False), (20, True, False), (99, True, False), (100, True, True)]
)
def test_tails_wait_for_enough_calls_and_say_so(calls: int, has_p90: bool, has_p99: bool) -> None:
    seconds = np.random.default_rng(0).random(calls).tolist()
    found = timing([seconds[start::6] for start in range(6)], batch=1)
    assert (found.p90_ms is not None, found.p99_ms is not None) == (has_p90, has_p99)
    assert ("p90_ms" in found.reasons, "p99_ms" in found.reasons) == (not has_p90, not has_p99)
    if found.p90_ms is not None:
        assert found.p90_ms.value == pytest.approx(1e3 * np.percentile(seconds, 90))
        assert found.p90_ms.n == calls


def test_an_end_that_nothing_shows_is_none_with_a_reason() -> None:
    found = timing(np.random.default_rng(0).random((10, 10)).tolist(), batch=1)
    assert found.p99_ms is not None
    assert found.p99_ms.high is None
    assert "100 calls" in found.reasons["p99_ms.high"]


def test_five_bursts_are_refused() -> None:
    with pytest.raises(ValueError, match="5 bursts"):
        timing([[1.0]] * 5, 1)


def test_overlapping_intervals_share_a_rank() -> None:
    ends = [(1, 2), (1.5, 3), (2.5, 4), (5, 6)]
    assert ranks([Measure((low + high) / 2, low, high, 6) for low, high in ends]) == [1, 1, 2, 4]


def test_equal_works_share_a_rank_nearly_always() -> None:
    rng = np.random.default_rng(0)
    pairs = [[timing(rng.lognormal(0, 0.1, (20, 5)).tolist(), 1).p50_ms for _ in range(2)] for _ in range(300)]
    assert np.mean([ranks(pair) == [1, 1] for pair in pairs]) > 0.98
