"""What follows from paired times: a slow-down is called one only where two independent turns agree on it.

P = pairs of instances in a turn; an instance is a fresh process, and the random unit, since processes differ more than calls do
(Kalibera and Jones 2013, https://doi.org/10.1145/2464157.2464160).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

ALLOWED = 0.02
"""The slow-down that is let pass, and the error of the A/A control above which nothing is concluded."""

LEVEL = 0.95
FEWEST_PAIRS = 5


@dataclass(frozen=True)
class Ratio:
    """The geometric mean of a turn's ratios, its two-sided interval, and the lower end of the one-sided one."""

    value: float
    low: float
    high: float
    bound: float
    spread: float
    n: int


@dataclass(frozen=True)
class Turn:
    """One turn: head over base, and base over base as a control, measured at the same time."""

    ratio: Ratio
    control: Ratio

    @property
    def is_slower(self) -> bool:
        """Whether the slow-down is above what is allowed, with confidence."""
        return self.ratio.bound > 1 + ALLOWED

    @property
    def is_sound(self) -> bool:
        """Whether the control, which compares like with like, found no more than what is allowed."""
        return error_of(self.control) <= ALLOWED


def ratio_of(log_ratios_P: Sequence[float], level: float = LEVEL) -> Ratio:
    """Return the ratio that pairs of instances agree on, from the logarithm of each pair's ratio of medians.

    Instances are the units, so the interval is Student's t of their mean logarithm (the paired design of Georges, Buytaert and
    Eeckhout 2007, https://doi.org/10.1145/1297027.1297033, section 3.3.2, on the log scale). `bound` is the lower end of the
    one-sided interval at the same level. Raises ValueError below two pairs.
    """
    n = len(log_ratios_P)
    if n < 2:
        raise ValueError(f"{n} pairs of instances have no spread")
    mean, deviation = float(np.mean(log_ratios_P)), float(np.std(log_ratios_P, ddof=1))
    error = deviation / math.sqrt(n)
    two, one = _quantile(0.5 + level / 2, n - 1), _quantile(level, n - 1)
    ends = (mean - two * error, mean + two * error, mean - one * error)
    low, high, bound = (math.exp(end) for end in ends)
    return Ratio(math.exp(mean), low, high, bound, deviation, n)


@functools.cache
def _quantile(level: float, freedom: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(level, freedom))


def error_of(control: Ratio) -> float:
    """Return how far the ratio of like and like is from 1, in either direction."""
    return math.exp(abs(math.log(control.value))) - 1


def judge(turns: Sequence[Turn]) -> str:
    """Return `slower`, `inconclusive` or `not slower`. A turn whose control is unsound concludes nothing."""
    if len(turns) >= 2 and all(turn.is_sound and turn.is_slower for turn in turns):
        return "slower"
    if not all(turn.is_sound for turn in turns):
        return "inconclusive"
    return "not slower"


def turns_until_clear(measure: Callable[[int], Turn], most: int = 2) -> list[Turn]:
    """Return the turns that the verdict rests on: the second is measured only where the first found a slow-down and was sound."""
    turns: list[Turn] = []
    while len(turns) < most and all(turn.is_sound and turn.is_slower for turn in turns):
        turns.append(measure(len(turns)))
    return turns


def as_json(name: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """Return a benchmark's verdict with the figures that it rests on, as plain values."""
    figures = [
        {"ratio": asdict(turn.ratio), "control": asdict(turn.control), "control_error": error_of(turn.control)} for turn in turns
    ]
    return {"name": name, "verdict": judge(turns), "turns": figures}


def exit_code(verdicts: Sequence[str]) -> int:
    """Return 1 where anything became slower; what is inconclusive has its own word and is no failure."""
    return int("slower" in verdicts)
