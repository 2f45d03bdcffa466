"""Every pair of splits told apart, with a control for each split.

N = images
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from xzoo.audit import leakage, shift
from xzoo.audit.duplicates import Duplicates
from xzoo.audit.embedding import Features
from xzoo.audit.looks import Looks
from xzoo.audit.outcome import ShiftRow, shift_row
from xzoo.audit.shift import Control
from xzoo.audit.twosample import directions
from xzoo.data.drawing import generator
from xzoo.data.pack import Pack
from xzoo.statistics.paired import holm

Indices = NDArray[np.int64]


def sampled(split: str, places: Indices) -> Indices:
    """Return at most 1,000 of a split's images, in ascending order, the same ones in every call."""
    if len(places) <= shift.MOST_IMAGES:
        return places
    return np.sort(generator(f"audit {split}").permutation(places)[: shift.MOST_IMAGES])


def told_apart(
    pack: Pack, features: Features, looks: Looks, copies: Duplicates, parts: Mapping[str, Indices]
) -> tuple[tuple[ShiftRow, ...], tuple[Control, ...]]:
    """Return how every pair of splits differs, and the control of every split; a split of too few images has neither."""
    units_N = units_of(pack.groups_N, copies.pictures_N)
    chosen = {name: sampled(name, places) for name, places in parts.items()}
    chosen = {name: places for name, places in chosen.items() if len(np.unique(units_N[places])) >= shift.FEWEST_IMAGES}
    used = np.unique(np.concatenate([*chosen.values(), np.empty(0, np.int64)]))
    values_ND = directions(features.of(used)) if len(used) else np.empty((0, 1), np.float32)
    found = []
    for first, second in combinations(chosen, 2):
        places = np.concatenate([chosen[first], chosen[second]])
        is_second_N = np.arange(len(places)) >= len(chosen[first])
        sides = shift.Sides(first, second, is_second_N, pack.labels_N[places], units_N[places])
        compared = shift.compared(sides, values_ND[np.searchsorted(used, places)], looks.traits_NT[places], pack.classes)
        found.append((compared, places))
    controls = tuple(
        shift.control(name, values_ND[np.searchsorted(used, places)], pack.labels_N[places], units_N[places])
        for name, places in chosen.items()
    )
    adjusted = holm([test.p for one, _ in found for test in (one.labels, one.appearance)])
    rows = tuple(
        shift_row(one, places, pack, adjusted[2 * row : 2 * row + 2], len(chosen[one.first]))
        for row, (one, places) in enumerate(found)
    )
    return rows, controls


def units_of(groups_N: Sequence[str | None], pictures_N: Indices) -> Indices:
    """Return a number for each image that those it belongs together with share: its patient's, else its picture's."""
    patients_N = leakage.numbered(groups_N)
    return np.where(patients_N >= 0, patients_N, len(pictures_N) + pictures_N)
