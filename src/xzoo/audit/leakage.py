"""What crosses from one split to another: copies of pictures, and patients.

N = images
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from xzoo.runs.result import Measure
from xzoo.statistics.intervals import wilson

Indices = NDArray[np.int64]

_MOST_EXAMPLES = 10


@dataclass(frozen=True)
class Leak:
    """Images of the split `of` that share a picture or a patient (`what`) with one of the split `within`.

    `share` is theirs of the split, with its Wilson interval; `examples` are places of images: one of each side.
    """

    what: str
    of: str
    within: str
    count: int
    share: Measure
    examples: tuple[tuple[int, int], ...]


def leaked(same_N: NDArray[np.int64], of: Indices, within: Indices) -> NDArray[np.bool_]:
    """Return for each image of `of` whether one of `within` bears the same number; negative numbers are never shared."""
    return np.isin(same_N[of], same_N[within]) & (same_N[of] >= 0)


def leaks(what: str, same_N: NDArray[np.int64], splits: Mapping[str, Indices]) -> tuple[Leak, ...]:
    """Return what each split shares with those before it, for every pair of splits that shares something."""
    found = []
    for within, of in combinations(splits, 2):
        places = splits[of]
        shared = places[leaked(same_N, places, splits[within])]
        if not len(shared):
            continue
        first = {int(same_N[place]): int(place) for place in splits[within][::-1]}
        examples = tuple((first[int(same_N[place])], int(place)) for place in shared[:_MOST_EXAMPLES])
        low, high = wilson(len(shared), len(places))
        share = Measure(len(shared) / len(places), low, high, len(places))
        found.append(Leak(what, of, within, len(shared), share, examples))
    return tuple(found)


def numbered(names_N: Sequence[str | None]) -> Indices:
    """Return a number for each name, equal for equal ones, and -1 where there is none."""
    number: dict[str, int] = {}
    return np.array([-1 if name is None else number.setdefault(name, len(number)) for name in names_N], np.int64)
