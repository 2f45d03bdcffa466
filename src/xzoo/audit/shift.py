"""How one split differs from another: in its classes, and in how images of a class look; with a control that must find nothing.

N = images, D = features, T = traits, K = classes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xzoo.audit.traits import NAMED
from xzoo.audit.twosample import TwoSample, logit_interval, placed, two_sample
from xzoo.runs.result import Measure

Indices = NDArray[np.int64]
Floats = NDArray[np.floating]

MOST_IMAGES = 1000
"""Images of a split that are looked at; of more, so many are drawn."""

FEWEST_IMAGES = 10
HALVINGS = 20
_MOST_GIVEAWAYS = 5
_SURE = 3.0


@dataclass(frozen=True)
class Separation:
    """How well two samples can be told apart: AUROC with its interval, 0.5 for not at all, and the permutation p."""

    auroc: Measure
    p: float


@dataclass(frozen=True)
class LabelShift:
    """Half the sum of the differences between the classes' shares (total variation distance), and its permutation p."""

    distance: float
    p: float


@dataclass(frozen=True)
class Trait:
    """A trait that differs among images of one class: the AUROC is above 0.5 where it is larger in the second split."""

    name: str
    auroc: Measure


@dataclass(frozen=True)
class Giveaway:
    """An image by its place, and the share of the other split's images of its class that look less like its own split."""

    place: int
    beyond: float


@dataclass(frozen=True)
class Control:
    """The same classifier asked to tell two halves of one split apart, as often as `auroc.n` says: the mean, and from where to
    where 95% of the answers went."""

    split: str
    auroc: Measure


@dataclass(frozen=True)
class Shift:
    """What differs from the split `first` to `second`.

    `total` tells the splits apart by everything, classes included; `appearance` compares images of one class alone, over all
    classes and, in `by_class`, with a classifier for each (None where it has too few images). `traits` and `giveaways` (first
    those of `second`) say what it is that differs.
    """

    first: str
    second: str
    total: Separation
    labels: LabelShift
    appearance: Separation
    by_class: Mapping[str, Separation | None]
    traits: tuple[Trait, ...]
    giveaways: tuple[Giveaway, ...]


@dataclass(frozen=True, eq=False)
class Sides:
    """The images of two splits, one below the other. `units_N` numbers what belongs together: patients, copies."""

    first: str
    second: str
    is_second_N: NDArray[np.bool_]
    labels_N: Indices
    units_N: Indices


def compared(sides: Sides, values_ND: NDArray[np.float32], traits_NT: Floats, classes: Sequence[str], seed: int = 0) -> Shift:
    """Return how two splits differ by features that `twosample.directions` gave; places in giveaways count the images of `sides`.

    Raises ValueError where a split has fewer than two units.
    """
    is_second_N, labels_N, units_N = sides.is_second_N, sides.labels_N, sides.units_N
    total = two_sample(values_ND, is_second_N, units_N=units_N, seed=seed)
    appearance = two_sample(values_ND, is_second_N, strata_N=labels_N, units_N=units_N, seed=seed)
    return Shift(
        first=sides.first,
        second=sides.second,
        total=_separation(total),
        labels=label_shift(labels_N, is_second_N, units_N, seed=seed),
        appearance=_separation(appearance),
        by_class={
            name: _of_class(values_ND, is_second_N, units_N, labels_N == label, seed) for label, name in enumerate(classes)
        },
        traits=differing(traits_NT, is_second_N, labels_N),
        giveaways=_giveaways(appearance, is_second_N),
    )


def control(split: str, values_ND: NDArray[np.float32], labels_N: Indices, units_N: Indices, seed: int = 0) -> Control:
    """Return what the classifier makes of random halves of one split's units. Raises ValueError for fewer than four units."""
    units = np.unique(units_N, return_inverse=True)[1]
    num_units = int(units.max()) + 1
    random = np.random.default_rng(seed)
    found = []
    for halving in range(HALVINGS):
        chosen = np.zeros(num_units, bool)
        chosen[random.permutation(num_units)[: num_units // 2]] = True
        halves = two_sample(values_ND, chosen[units], strata_N=labels_N, units_N=units, num_permutations=0, seed=seed + halving)
        found.append(halves.auroc.value)
    low, high = np.quantile(found, (0.025, 0.975))
    return Control(split, Measure(float(np.mean(found)), float(low), float(high), HALVINGS))


def label_shift(
    labels_N: Indices, is_second_N: NDArray[np.bool_], units_N: Indices, num_permutations: int = 999, seed: int = 0
) -> LabelShift:
    """Test whether the classes' shares are the same in both samples; images of one unit and sample are permuted together."""
    random = np.random.default_rng(seed)
    num_classes = int(labels_N.max()) + 1
    keys = np.stack([units_N, is_second_N.astype(np.int64)])
    _, first, part = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    counts_UK = np.zeros((len(first), num_classes))
    np.add.at(counts_UK, (part.ravel(), labels_N), 1)
    sides_U = is_second_N[first]

    def distance(sides_U: NDArray[np.bool_]) -> float:
        second_K, first_K = counts_UK[sides_U].sum(0), counts_UK[~sides_U].sum(0)
        return float(np.abs(second_K / second_K.sum() - first_K / first_K.sum()).sum() / 2)

    found = distance(sides_U)
    as_far = sum(distance(random.permutation(sides_U)) >= found - 1e-12 for _ in range(num_permutations))
    return LabelShift(found, (1 + as_far) / (1 + num_permutations))


def differing(traits_NT: Floats, is_second_N: NDArray[np.bool_], labels_N: Indices) -> tuple[Trait, ...]:
    """Return the named traits whose AUROC within classes lies three standard errors or more from 0.5, the furthest first.

    The standard error is that of DeLong, DeLong and Clarke-Pearson 1988 (https://doi.org/10.2307/2531595), over classes.
    """
    found = []
    for column, name in enumerate(NAMED):
        auroc, error = _within(traits_NT[:, column], is_second_N, labels_N)
        if abs(auroc - 0.5) > _SURE * error:
            found.append(Trait(name, Measure(auroc, *logit_interval(auroc, error), len(labels_N))))
    return tuple(sorted(found, key=lambda trait: -abs(trait.auroc.value - 0.5)))


def _within(values_N: Floats, is_second_N: NDArray[np.bool_], labels_N: Indices) -> tuple[float, float]:
    won, pairs, variance = 0.0, 0, 0.0
    for label in np.unique(labels_N):
        second, first = (values_N[(labels_N == label) & (is_second_N == side)] for side in (True, False))
        if len(second) > 1 and len(first) > 1:
            above, below = placed(second, first), placed(first, second)
            size = len(second) * len(first)
            won, pairs = won + size * float(above.mean()), pairs + size
            variance += size**2 * (float(above.var(ddof=1)) / len(second) + float(below.var(ddof=1)) / len(first))
    return (won / pairs, float(np.sqrt(variance)) / pairs) if pairs else (0.5, 0.0)


def _of_class(
    values_ND: NDArray[np.float32], is_second_N: NDArray[np.bool_], units_N: Indices, chosen_N: NDArray[np.bool_], seed: int
) -> Separation | None:
    sides = is_second_N[chosen_N]
    if min(sides.sum(), (~sides).sum()) < FEWEST_IMAGES or min(_num_units(units_N[chosen_N], sides)) < FEWEST_IMAGES:
        return None
    return _separation(two_sample(values_ND[chosen_N], sides, units_N=units_N[chosen_N], seed=seed))


def _num_units(units_N: Indices, is_second_N: NDArray[np.bool_]) -> tuple[int, int]:
    return len(np.unique(units_N[is_second_N])), len(np.unique(units_N[~is_second_N]))


def _giveaways(found: TwoSample, is_second_N: NDArray[np.bool_]) -> tuple[Giveaway, ...]:
    own_N = np.where(is_second_N, found.beyond_N, 1 - found.beyond_N)
    told: list[Giveaway] = []
    for side in (True, False):
        places = np.flatnonzero(is_second_N == side)
        surest = -found.scores_N[places] if side else found.scores_N[places]
        order = places[np.lexsort((surest, -own_N[places]))][:_MOST_GIVEAWAYS]
        told += [Giveaway(int(place), float(own_N[place])) for place in order]
    return tuple(told)


def _separation(found: TwoSample) -> Separation:
    return Separation(found.auroc, found.p)
