"""Several works timed against each other: in short bursts, in alternating order, so that drift of the machine hits all alike."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from xzoo.runs.result import Measure
from xzoo.statistics.quantiles import median_interval, quantile_interval

Burst = Callable[[int], Sequence[float]]
"""Works as many times as it is told, one right after the other, and returns seconds: of each, or one mean for all."""

FEWEST_TURNS, MOST_TURNS = 6, 20
"""Six bursts are the fewest whose median has a 95% interval."""

MOST_CALLS = 100
_WARM_UP = 3
_ENOUGH = {90: 20, 99: 100}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a batch takes. `reasons` says, by field, why a percentile or one of its ends is None.

    `p50_ms` is the median of the bursts' medians and its n the number of bursts, since calls of one burst share the machine's
    state and bursts far apart hardly do. p90 and p99 are of all `calls`.
    """

    p50_ms: Measure
    p90_ms: Measure | None
    p99_ms: Measure | None
    images_per_second: Measure
    calls: int
    reasons: dict[str, str] = field(default_factory=dict)


def bursts_of(work: Callable[[], object]) -> Burst:
    """Return the burst that times each call of a work; it must return only when the device has done it."""

    def burst(count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
        return seconds

    return burst


def interleaved(works: Sequence[Burst], seconds: float) -> list[list[Sequence[float]] | Exception]:
    """Return the bursts of each work, sampled in the order A B C, C B A, A B C, ... for about `seconds` a work.

    All have equally many bursts, an even number from 6 to 20, so that none comes earlier on the average. The first call of a
    burst of several goes uncounted, because the caches hold what the work before it left; so do up to three calls of each work
    at the beginning. At least six calls a work are timed, however long they take. A work that raises is called no more, and its
    error stands in place of its bursts.
    """
    sampled = [_Sampled(work) for work in works]
    with _without_collector():
        once = [_warm(one, seconds / 6) for one in sampled]
        turns = min(MOST_TURNS, max(FEWEST_TURNS, int(seconds / max(once, default=1.0)))) // 2 * 2
        counts = [max(1, min(MOST_CALLS, int(seconds / turns / each) - 1)) for each in once]
        for turn in range(turns):
            for place in range(len(works)) if turn % 2 == 0 else reversed(range(len(works))):
                if counts[place] > 1:
                    sampled[place].calls(1)
                sampled[place].bursts.append(sampled[place].calls(counts[place]))
    return [one.error or one.bursts for one in sampled]


def timing(bursts: Sequence[Sequence[float]], batch: int) -> Timing:
    """Return what bursts of calls, in seconds, say of a batch of `batch` images. Raises ValueError for fewer than six bursts."""
    medians = [float(np.median(burst)) * 1e3 for burst in bursts]
    ends = median_interval(medians)
    if ends is None:
        raise ValueError(f"{len(bursts)} bursts")
    p50 = Measure(float(np.median(medians)), *ends, len(bursts))
    rate = Measure(batch * 1e3 / p50.value, batch * 1e3 / ends[1], batch * 1e3 / ends[0], p50.n)
    reasons: dict[str, str] = {}
    tails = [_tail(bursts, percent, reasons) for percent in _ENOUGH]
    return Timing(
        p50_ms=p50,
        p90_ms=tails[0],
        p99_ms=tails[1],
        images_per_second=rate,
        calls=sum(map(len, bursts)),
        reasons=reasons,
    )


def ranks(medians: Sequence[Measure]) -> list[int]:
    """Return each one's rank: one more than the number of others whose interval lies wholly below its own."""
    return [
        1 + sum(other.high < one.low for other in medians if other.high is not None and one.low is not None) for one in medians
    ]


def _tail(bursts: Sequence[Sequence[float]], percent: int, reasons: dict[str, str]) -> Measure | None:
    calls, name = sum(map(len, bursts)), f"p{percent}_ms"
    if calls < _ENOUGH[percent]:
        reasons[name] = f"{calls} calls are too few: it takes {_ENOUGH[percent]} for one to lie beyond it with some certainty"
        return None
    ends = [None if end is None else end * 1e3 for end in quantile_interval(bursts, percent / 100)]
    if ends[1] is None:
        reasons[f"{name}.high"] = f"{calls} calls are too few for an upper end"
    return Measure(float(np.quantile(np.concatenate(bursts), percent / 100)) * 1e3, ends[0], ends[1], calls)


@dataclass(eq=False)
class _Sampled:
    work: Burst
    bursts: list[Sequence[float]] = field(default_factory=list)
    error: Exception | None = None

    def calls(self, count: int) -> Sequence[float]:
        """Return what calls took; nothing once the work has failed."""
        try:
            return [] if self.error else self.work(count)
        except Exception as error:  # what is timed raises whatever it meets, memory that ran out above all
            self.error = error
            return []


def _warm(one: _Sampled, seconds: float) -> float:
    """Return the least seconds of a call, of up to three in the given time."""
    found: list[float] = []
    while len(found) < _WARM_UP and sum(found) <= seconds and not one.error:
        found += one.calls(1)
    return max(min(found, default=0.0), 1e-9)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python's garbage collector from running within a call, as the standard library's timeit does."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
