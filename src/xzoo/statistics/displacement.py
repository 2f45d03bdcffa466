"""Whether scores moved between two samples of images, in one direction whatever the class, and whether they rank worse.

Both figures come from placements, so that they depend on the order of scores alone.
"""

# N = images of the first sample, M = of the second

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.statistics.auroc import influences

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Between:
    """A figure of two samples, and what each image adds to its error: the squares of all of these sum to its variance."""

    value: float
    first_N: Floats
    second_M: Floats


def displacement(
    first_N: NDArray[Any], labels_first_N: NDArray[Any], second_M: NDArray[Any], labels_second_M: NDArray[Any]
) -> Between | None:
    """Return how far scores moved from the first sample to the second: from -0.5 to 0.5, above 0 where they became higher.

    In each class that both samples hold, the chance that an image of the second scores higher than one of the first, less 0.5;
    of these the mean over classes. So a shift of all scores counts whole, and classes that move towards each other, which is a
    ranking lost, cancel out. Variances are those of DeLong, DeLong and Clarke-Pearson 1988 (https://doi.org/10.2307/2531595).
    None where no class has two images in each sample.
    """
    parts = []
    for label in np.intersect1d(labels_first_N, labels_second_M):
        of_first, of_second = np.flatnonzero(labels_first_N == label), np.flatnonzero(labels_second_M == label)
        if min(len(of_first), len(of_second)) < 2:
            continue
        scores = np.concatenate([np.asarray(first_N)[of_first], np.asarray(second_M)[of_second]])
        parts.append((of_first, of_second, *influences(scores, np.arange(len(scores)) >= len(of_first))))
    if not parts:
        return None
    errors_N, errors_M = np.zeros(len(first_N)), np.zeros(len(second_M))
    for of_first, of_second, _, errors in parts:
        errors_N[of_first], errors_M[of_second] = errors[: len(of_first)] / len(parts), errors[len(of_first) :] / len(parts)
    return Between(float(np.mean([area for _, _, area, _ in parts])) - 0.5, errors_N, errors_M)


def lost_ranking(
    first_NK: NDArray[Any],
    labels_first_N: NDArray[Any],
    second_MK: NDArray[Any],
    labels_second_M: NDArray[Any],
    *,
    if_none: bool = False,
) -> Between | None:
    """Return the first sample's AUROC less the second's; of more than two classes the mean of each against the rest.

    DeLong's variance vanishes where few images happen to be told apart without fault, and a test by it then finds a loss that is
    none. With `if_none`, for that test, no sample's is less than that of Hanley and McNeil 1982
    (https://doi.org/10.1148/radiology.143.1.7063747) for its class sizes at the area of both together.
    None unless each sample holds two images of every class and two that are not of it.
    """
    num_classes = first_NK.shape[1]
    ranked = range(1 if num_classes == 2 else 0, num_classes)
    sides = [(np.asarray(first_NK), np.asarray(labels_first_N)), (np.asarray(second_MK), np.asarray(labels_second_M))]
    for _, labels in sides:
        counts = np.bincount(labels, minlength=num_classes)
        if num_classes < 2 or counts.min() < 2 or (len(labels) - counts).min() < 2:
            return None
    found = [[influences(scores[:, k], labels == k) for scores, labels in sides] for k in ranked]
    if not if_none:
        errors = [np.mean([of_k[side][1] for of_k in found], axis=0) for side in (0, 1)]
        return Between(_difference(found), errors[0], -errors[1])
    shared = [np.average([area for area, _ in of_k], weights=[len(labels) for _, labels in sides]) for of_k in found]
    errors = [
        np.mean(
            [_at_least(of_k[side][1], labels == k, area) for k, of_k, area in zip(ranked, found, shared, strict=True)], axis=0
        )
        for side, (_, labels) in enumerate(sides)
    ]
    return Between(_difference(found), errors[0], -errors[1])


def _difference(found: list[list[tuple[float, Floats]]]) -> float:
    return float(np.mean([of_first[0] - of_second[0] for of_first, of_second in found]))


def _at_least(errors_N: Floats, is_positive_N: NDArray[Any], area: float) -> Floats:
    """Return what images add to an AUROC's error, no less in all than Hanley and McNeil's variance at this area."""
    num_positives, num_negatives = int(is_positive_N.sum()), int((~is_positive_N).sum())
    of_positives, of_negatives = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    alone = area * (1 - area) + (num_positives - 1) * of_positives + (num_negatives - 1) * of_negatives
    least, variance = alone / (num_positives * num_negatives), float(errors_N @ errors_N)
    if variance >= least:
        return errors_N
    return errors_N * np.sqrt(least / variance) if variance else np.full(len(errors_N), np.sqrt(least / len(errors_N)))
