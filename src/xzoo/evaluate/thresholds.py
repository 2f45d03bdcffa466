"""Operating points: the threshold on a probability is chosen on one split and applied to another.

An image is called positive where its probability is at least the threshold.
"""

# N = images, U = distinct probabilities, from low to high

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.errors import UsageError
from xzoo.evaluate.shares import shares
from xzoo.runs.result import Measure

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

ARGMAX = 0.5
"""Where two classes are equally probable."""


@dataclass(frozen=True)
class Rule:
    """How a threshold is chosen: Youden's where `sensitivity` is None, else the highest that reaches this sensitivity."""

    sensitivity: float | None = None

    def __post_init__(self) -> None:
        if self.sensitivity is not None and not 0 < self.sensitivity <= 1:
            raise UsageError(f"a sensitivity of {self.sensitivity} cannot be aimed at", "give one above 0 and at most 1")

    @property
    def name(self) -> str:
        """The rule in words."""
        return "youden" if self.sensitivity is None else f"sensitivity {self.sensitivity:g}"


RULES = (Rule(), Rule(0.95))


@dataclass(frozen=True)
class AtThreshold:
    """What a split says at a threshold, each share with its interval; those without an image to count are None."""

    accuracy: Measure
    sensitivity: Measure | None
    specificity: Measure | None


@dataclass(frozen=True)
class Scores:
    """Probabilities of the positive class (N), which images are of it, and which are answered so because it is the most probable.

    `groups_N` are the images' patients, where they are known.
    """

    said_N: Floats
    ill_N: Flags
    answered_N: Flags
    groups_N: NDArray[Any] | None = None

    @classmethod
    def of(cls, chances_NK: Floats, labels_N: NDArray[np.int64], which: int, groups_N: NDArray[Any] | None = None) -> Scores:
        """Return the scores of the class number `which`."""
        return cls(chances_NK[:, which], labels_N == which, chances_NK.argmax(1) == which, groups_N)


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A threshold on the probability of the class `of`, chosen on validation by `rule`, and what the splits say at it.

    `val` is what was chosen for, so its figures are too good; `test` had no part in the choice. `at_argmax` are the same figures
    of test where the more probable class is answered. `threshold` is None where none can be chosen, with the reason.
    """

    rule: str
    of: str
    threshold: float | None
    n: int
    val: AtThreshold | None = None
    test: AtThreshold | None = None
    at_argmax: AtThreshold | None = field(default=None)
    reason: str = ""


def operating_points(
    val: Scores, test: Scores, of: str, rules: Sequence[Rule] = RULES, *, seed: int = 0
) -> tuple[OperatingPoint, ...]:
    """Return a point for each rule, chosen on `val` and applied to both; `test` may hold no image."""
    argmax = _figures(test, test.answered_N, seed)
    points = []
    for rule in rules:
        threshold, reason = choose(val.said_N, val.ill_N, rule)
        told = {"rule": rule.name, "of": of, "threshold": threshold, "n": len(val.said_N), "at_argmax": argmax, "reason": reason}
        if threshold is not None:
            told |= {"val": at(val, threshold, seed=seed), "test": at(test, threshold, seed=seed)}
        points.append(OperatingPoint(**told))  # type: ignore[arg-type]
    return tuple(points)


def choose(said_N: Floats, ill_N: Flags, rule: Rule) -> tuple[float | None, str]:
    """Return the threshold that a rule chooses, or None and why there is none.

    Youden's J = sensitivity + specificity - 1 is greatest (Youden 1950,
    https://doi.org/10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3). Thresholds lie midway between neighbouring
    probabilities; of equally good ones the nearest to 0.5 is taken, and 0.5 itself where it is as good.
    """
    if ill_N.all() or not ill_N.any():
        return None, "validation holds images of one class alone"
    if len(np.unique(said_N)) == 1:
        return None, "every validation image has the same probability"
    cuts_U, sensitivity_U, specificity_U = _ways(said_N, ill_N)
    if rule.sensitivity is None:
        youden_U = sensitivity_U + specificity_U - 1
        if youden_U.max() <= 1e-12:
            return None, "no threshold on validation does better than guessing"
        good_U = youden_U >= youden_U.max() - 1e-12
    else:
        reached_U = sensitivity_U >= rule.sensitivity - 1e-12
        good_U = reached_U & (specificity_U >= specificity_U[reached_U].max())
    best = cuts_U[good_U]
    return float(best[np.argmin(np.abs(best - ARGMAX))]), ""


def at(scores: Scores, threshold: float, *, seed: int = 0) -> AtThreshold | None:
    """Return what a split says at a threshold, or None for a split without an image."""
    return _figures(scores, scores.said_N >= threshold, seed)


def _figures(scores: Scores, called_N: Flags, seed: int) -> AtThreshold | None:
    ill_N = scores.ill_N
    if not len(ill_N):
        return None
    flags = {
        "accuracy": (called_N == ill_N, np.ones(len(ill_N), bool)),
        "sensitivity": (called_N, ill_N),
        "specificity": (~called_N, ~ill_N),
    }
    found = shares({name: pair for name, pair in flags.items() if pair[1].any()}, scores.groups_N, seed=seed)
    return AtThreshold(found["accuracy"], found.get("sensitivity"), found.get("specificity"))


def _ways(said_N: Floats, ill_N: Flags) -> tuple[Floats, Floats, Floats]:
    """Return every threshold that divides the images differently, with what it gives; 0.5 takes the place of its neighbours."""
    levels_U, place_N = np.unique(said_N, return_inverse=True)
    ill_U, well_U = np.bincount(place_N, ill_N), np.bincount(place_N, ~ill_N)
    cuts_U = np.r_[0.0, (levels_U[1:] + levels_U[:-1]) / 2]
    # Midway between neighbouring floats lies one of them, and the lower one would call what it should not.
    cuts_U[1:] = np.where(cuts_U[1:] > levels_U[:-1], cuts_U[1:], levels_U[1:])
    holds = int(np.searchsorted(levels_U, ARGMAX, side="left"))
    if holds < len(levels_U):
        cuts_U[holds] = ARGMAX
    above_U = np.cumsum(ill_U[::-1])[::-1]
    below_U = np.r_[0.0, np.cumsum(well_U)[:-1]]
    return cuts_U, above_U / ill_U.sum(), below_U / well_U.sum()
