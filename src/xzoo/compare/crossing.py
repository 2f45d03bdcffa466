"""A figure of validation and test, over a contender's seeds: its mean, and the error that images, or patients, make.

The seeds are these very networks, so that images alone vary; an image seen by several seeds varies once.

N = images, K = classes
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.compare.probabilities import Answers
from xzoo.runs.result import Measure
from xzoo.runs.store import RunFolder
from xzoo.statistics.displacement import Between

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
LEVEL = 0.95

Term = tuple[float, Floats]
"""A figure of one split, and what each of its images adds to its error."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What one seed's network said of validation and of test, and which images these are, by their places in the data."""

    val: Answers
    test: Answers
    val_places_N: Indices
    test_places_N: Indices


def judged(folder: RunFolder, cell: str, groups_N: Sequence[str | None]) -> Judged:
    """Return what a finished cell said. Raises StorageError where its predictions cannot be read."""
    stored = folder.predictions(cell)
    val, test = (_answers(stored, split, groups_N) for split in ("val", "test"))
    places = [np.asarray(stored[f"{split}_index"], np.int64) for split in ("val", "test")]
    return Judged(val, test, places[0], places[1])


def nothing(one: Judged) -> Term:
    """Return the figure of validation that a figure of test alone has."""
    return 0.0, np.zeros(len(one.val.labels_N))


def negative(term: Term) -> Term:
    """Return a figure with its sign turned."""
    return -term[0], -term[1]


def less(one: Term, other: Term) -> Term:
    """Return the difference of two figures of the same images."""
    return one[0] - other[0], one[1] - other[1]


def over(
    seeds: Sequence[Judged], on_val: Callable[[Judged], Term], on_test: Callable[[Judged], Term], level: float = LEVEL
) -> Measure:
    """Return the mean over seeds of the sum of a figure of validation and one of test, with its interval."""
    terms = [(on_val(one), on_test(one)) for one in seeds]
    found = [Between(of_val[0] + of_test[0], of_val[1], of_test[1]) for of_val, of_test in terms]
    value, error, degrees, n = _joined(seeds, found)
    reach = _quantile(degrees, level) * error
    return Measure(value, value - reach, value + reach, n)


def tested(seeds: Sequence[Judged], figure: Callable[[Judged], Between | None]) -> tuple[Measure, float] | None:
    """Return the mean over seeds of a figure of both splits, and the two-sided p of 0; None where some seed has none.

    Degrees of freedom are those of the class of fewest images, or patients: the figure is known no better.
    """
    from scipy.special import stdtr

    found = [figure(one) for one in seeds]
    known = [one for one in found if one is not None]
    if len(known) < len(found):
        return None
    value, error, _, n = _joined(seeds, known)
    degrees = max(1, min(min(_rarest(one.val), _rarest(one.test)) for one in seeds) - 1)
    reach = _quantile(degrees) * error
    return Measure(value, value - reach, value + reach, n), float(2 * stdtr(degrees, -abs(value) / error))


def _joined(seeds: Sequence[Judged], found: Sequence[Between]) -> tuple[float, float, float, int]:
    """Return the mean over seeds, its standard error over units, degrees of freedom and the smaller split's images.

    The error is never below that of half an image of the smaller split: where nothing varies, little was seen.
    """
    places: dict[Any, float] = {}
    for one, figure in zip(seeds, found, strict=True):
        sides = (one.val, one.val_places_N, figure.first_N), (one.test, one.test_places_N, figure.second_M)
        for answers, places_N, errors_N in sides:
            names = places_N.tolist() if answers.groups_N is None else answers.groups_N.tolist()
            for name, error in zip(names, errors_N.tolist(), strict=True):
                places[name] = places.get(name, 0.0) + error / len(seeds)
    smaller = min(min(len(one.val.labels_N), len(one.test.labels_N)) for one in seeds)
    units = min(min(_num_units(one.val), _num_units(one.test)) for one in seeds)
    error = math.sqrt(sum(value**2 for value in places.values()))
    return float(np.mean([one.value for one in found])), max(error, 0.5 / smaller), max(1, units - 1), smaller


def _num_units(one: Answers) -> int:
    return len(one.labels_N) if one.groups_N is None else len(np.unique(one.groups_N))


def _rarest(one: Answers) -> int:
    """Return the images, or patients, of the rarest class that holds two images or more."""
    names = np.arange(len(one.labels_N)) if one.groups_N is None else one.groups_N
    held = [names[one.labels_N == label] for label in np.unique(one.labels_N)]
    return min((len(np.unique(of_class)) for of_class in held if len(of_class) > 1), default=1)


def _quantile(degrees: float, level: float = LEVEL) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + level / 2))


def _answers(stored: Mapping[str, NDArray[Any]], split: str, groups_N: Sequence[str | None]) -> Answers:
    places = stored[f"{split}_index"]
    known = [groups_N[place] or f"alone {place}" for place in places] if any(groups_N) else None
    groups = None if known is None else np.array(known)
    return Answers(stored[f"{split}_probabilities"].astype(np.float64), stored[f"{split}_labels"], groups)
