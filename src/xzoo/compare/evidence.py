"""Two contenders' answers to the same images: what they say about a difference, before many such are judged together.

N = images, K = classes, U = units that vary independently (images, or patients), S = seeds
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.runs.result import Measure
from xzoo.statistics.auroc import by_group, influences
from xzoo.statistics.equivalence import tost, tost_paired
from xzoo.statistics.paired import mcnemar_clustered, mcnemar_exact, newcombe_paired_difference
from xzoo.statistics.seeds import Combined, combine


@dataclass(frozen=True, eq=False)
class Answered:
    """What pairs need of one contender's answers: images (their numbers, N), whether each is right (N), patients (N) if known.

    `areas` are its AUROC, of several classes the mean of each against the rest, and what each image adds to its error (N); None
    where a class is missing. Probabilities are not held: those of a thousand cells of many classes would fill the memory.
    """

    images_N: NDArray[Any]
    right: NDArray[np.bool_]
    areas: tuple[float, NDArray[np.float64]] | None
    groups_N: NDArray[Any] | None = None

    @classmethod
    def of(
        cls,
        images_N: NDArray[Any],
        chances_NK: NDArray[np.floating[Any]],
        labels_N: NDArray[np.integer[Any]],
        groups_N: NDArray[Any] | None = None,
    ) -> Answered:
        """Return what follows from probabilities; the most probable class is the answer, the first of equals."""
        return cls(images_N, np.asarray(chances_NK.argmax(1) == labels_N), _areas(chances_NK, labels_N), groups_N)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the images say about A's accuracy less B's; `is_by_count` where there is one seed and no patient is known."""

    difference: Measure
    p: float
    p_equivalent: float
    combined: Combined
    disagreement: float
    seeds: tuple[int, ...]
    is_by_count: bool
    ranking: Ranking | None


@dataclass(frozen=True, eq=False)
class Ranking:
    """A's AUROC less B's, and the p of DeLong's test; None where a class has one image."""

    difference: Measure
    p: float | None


Pair = tuple[Answered, Answered]


def weigh(of_a: Mapping[int, Answered], of_b: Mapping[int, Answered], margin: float) -> Evidence | None:
    """Return what the seeds on which both answered the same images say; None where there is no such seed."""
    shared = {seed: (of_a[seed], of_b[seed]) for seed in sorted(of_a.keys() & of_b.keys())}
    pairs = {seed: pair for seed, pair in shared.items() if _are_paired(*pair)}
    if not pairs:
        return None
    units = _units(list(pairs.values()))
    is_grouped = next(iter(pairs.values()))[0].groups_N is not None
    most_degrees = max(1, max(len(np.unique(one)) for one in units) - 1) if is_grouped else math.inf
    differences = [(a.right, b.right) for a, b in pairs.values()]
    values_S = np.array([a_N.mean() - b_N.mean() for a_N, b_N in differences])
    errors = [_errors_of_mean(a_N.astype(np.float64) - b_N) for a_N, b_N in differences]
    combined = combine(values_S, _by_unit(errors, units, is_grouped), most_degrees)
    p, p_equivalent = _tested(list(pairs.values()), combined, margin)
    return Evidence(
        difference=Measure(combined.value, *_ends(differences, combined, is_grouped), len(units[0])),
        p=p,
        p_equivalent=p_equivalent,
        combined=combined,
        disagreement=float(np.mean([(a_N != b_N).mean() for a_N, b_N in differences])),
        seeds=tuple(pairs),
        is_by_count=len(pairs) == 1 and not is_grouped,
        ranking=_ranking(list(pairs.values()), units, is_grouped, most_degrees),
    )


def _are_paired(a: Answered, b: Answered) -> bool:
    return len(a.images_N) > 0 and np.array_equal(a.images_N, b.images_N)


def _tested(pairs: Sequence[Pair], combined: Combined, margin: float) -> tuple[float, float]:
    """Return the p of "no difference" and of "a difference of the margin or more".

    Both are the larger of two: an exact or score test by images, of several seeds twice the median p (Meinshausen, Meier and
    Buehlmann 2009, JASA 104:1671, gamma = 0.5), which small numbers cannot deceive; and the test over seeds and images.
    """
    ps: list[float] = []
    ps_equivalent: list[float] = []
    for a, b in pairs:
        only_a, only_b = int((a.right & ~b.right).sum()), int((b.right & ~a.right).sum())
        if a.groups_N is None:
            ps.append(mcnemar_exact(only_a, only_b))
        else:
            ps.append(mcnemar_clustered(a.right, b.right, a.groups_N))
        ps_equivalent.append(tost_paired(only_a, only_b, len(a.images_N), margin))
    over = tost(combined.value, margin, combined.tail)
    if len(pairs) == 1:
        return ps[0], ps_equivalent[0] if pairs[0][0].groups_N is None else max(ps_equivalent[0], over)
    twice, twice_equivalent = (min(1.0, 2 * float(np.median(found))) for found in (ps, ps_equivalent))
    return max(twice, combined.p()), max(twice_equivalent, over)


def _ends(
    differences: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]], combined: Combined, is_grouped: bool
) -> tuple[float, float]:
    """Return the wider of Newcombe's interval, for as many seeds, and that over seeds and units; of one seed the former."""
    ends = np.array([newcombe_paired_difference(a_N, b_N) for a_N, b_N in differences])
    if len(differences) == 1 and not is_grouped:
        return float(ends[0, 1]), float(ends[0, 2])
    by_images = math.sqrt(float(np.mean([_wald(a_N, b_N) for a_N, b_N in differences])))
    shrunk = combined.images_deviation / by_images if by_images > 0 else 1.0
    below, above = ((ends[:, 0] - ends[:, 1]).mean() * shrunk, (ends[:, 2] - ends[:, 0]).mean() * shrunk)
    low, high = combined.interval()
    return float(max(-1.0, min(low, combined.value - below))), float(min(1.0, max(high, combined.value + above)))


def _wald(a_N: NDArray[np.bool_], b_N: NDArray[np.bool_]) -> float:
    return float((_errors_of_mean(a_N.astype(np.float64) - b_N) ** 2).sum())


def _errors_of_mean(values_N: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(values_N)
    return np.asarray((values_N - values_N.mean()) / math.sqrt(n * (n - 1))) if n > 1 else np.zeros(n)


def _ranking(pairs: Sequence[Pair], units: Sequence[NDArray[Any]], is_grouped: bool, most_degrees: float) -> Ranking | None:
    """Return the difference in AUROC; None where a class is missing."""
    found = [(a.areas, b.areas) for a, b in pairs if a.areas and b.areas]
    if len(found) < len(pairs):
        return None
    values_S = np.array([of_a[0] - of_b[0] for of_a, of_b in found])
    errors = [of_a[1] - of_b[1] for of_a, of_b in found]
    combined = combine(values_S, _by_unit(errors, units, is_grouped), most_degrees)
    n = len(pairs[0][0].images_N)
    p = combined.p()
    if math.isnan(p) or (combined.deviation <= 0 and combined.value):
        return Ranking(Measure(combined.value, None, None, n), None)
    low, high = combined.interval()
    return Ranking(Measure(combined.value, max(-1.0, low), min(1.0, high), n), p)


def _areas(chances_NK: NDArray[np.floating[Any]], labels_N: NDArray[np.integer[Any]]) -> tuple[float, NDArray[np.float64]] | None:
    num_classes = chances_NK.shape[1]
    if num_classes < 2 or len(np.unique(labels_N)) < num_classes:
        return None
    found = [influences(chances_NK[:, k], labels_N == k) for k in range(1 if num_classes == 2 else 0, num_classes)]
    return float(np.mean([area for area, _ in found])), np.mean([errors for _, errors in found], axis=0)


def _units(pairs: Sequence[Pair]) -> list[NDArray[Any]]:
    return [a.images_N if a.groups_N is None else a.groups_N for a, _ in pairs]


def _by_unit(errors: Sequence[NDArray[np.float64]], units: Sequence[NDArray[Any]], is_grouped: bool) -> NDArray[np.float64]:
    """Return what each unit adds to the error of each seed's figure (S,U); 0 where the seed did not see it."""
    if not is_grouped:
        return _by_image(errors, units)
    names = np.unique(np.concatenate(list(units)))
    table_SU = np.zeros((len(errors), len(names)))
    for row_U, errors_N, units_N in zip(table_SU, errors, units, strict=True):
        row_U[np.searchsorted(names, np.unique(units_N))] = by_group(errors_N, units_N)
    return table_SU


def _by_image(errors: Sequence[NDArray[np.float64]], images: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return the same for images, whose numbers need no sorting: there may be many, and many pairs of contenders."""
    first = min(int(images_N.min()) for images_N in images)
    seen = np.zeros(max(int(images_N.max()) for images_N in images) + 1 - first, bool)
    for images_N in images:
        seen[images_N - first] = True
    columns = np.cumsum(seen) - 1
    table_SU = np.zeros((len(errors), int(columns[-1]) + 1))
    for row_U, errors_N, images_N in zip(table_SU, errors, images, strict=True):
        row_U[columns[images_N - first]] = errors_N
    return table_SU
