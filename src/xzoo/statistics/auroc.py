"""The area under the ROC curve, its interval, and the difference of two on the same images."""

# N = images

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def influences(scores_N: NDArray[Any], is_positive_N: NDArray[Any]) -> tuple[float, Floats]:
    """Return the AUROC, ties counting half, and what each image adds to its error (N).

    The squares of these add up to the variance of DeLong, DeLong and Clarke-Pearson 1988 (https://doi.org/10.2307/2531595), their
    products with another classifier's to the covariance, and those of one patient's images to be summed before (Obuchowski 1997,
    https://doi.org/10.2307/2533958). Placements come from midranks as in Sun and Xu 2014
    (https://doi.org/10.1109/LSP.2014.2337313). All are NaN where a class has one image alone: its variance cannot be known.
    Raises ValueError unless there are scores of both classes.
    """
    scores_N, positive_N = np.asarray(scores_N, np.float64), np.asarray(is_positive_N, bool)
    num_positives, num_negatives = int(positive_N.sum()), int((~positive_N).sum())
    if scores_N.shape != positive_N.shape or scores_N.ndim != 1 or not num_positives or not num_negatives:
        raise ValueError(f"{num_positives} positives and {num_negatives} negatives among scores of shape {scores_N.shape}")
    ranks_N = _midranks(scores_N)
    placements_N = np.empty(len(scores_N))
    placements_N[positive_N] = (ranks_N[positive_N] - _midranks(scores_N[positive_N])) / num_negatives
    placements_N[~positive_N] = 1 - (ranks_N[~positive_N] - _midranks(scores_N[~positive_N])) / num_positives
    area = float(placements_N[positive_N].mean())
    if min(num_positives, num_negatives) < 2:
        return area, np.full(len(scores_N), math.nan)
    sizes_N = np.where(positive_N, num_positives, num_negatives).astype(np.float64)
    return area, (placements_N - area) / np.sqrt(sizes_N * (sizes_N - 1))


def auroc_interval(
    scores_N: NDArray[Any], is_positive_N: NDArray[Any], groups_N: NDArray[Any] | None = None, level: float = 0.95
) -> tuple[float, float, float]:
    """Return the AUROC and the ends of its interval, in [0, 1].

    DeLong's variance on the scale of the logit, with Student's t of Satterthwaite's degrees of freedom in place of the normal
    distribution (Brunner and Munzel 2000, section 3), for with ten positives the latter holds 91% (Pepe 2003, The Statistical
    Evaluation of Medical Tests, page 107), summed by patient where `groups_N` names them. Where that is 0 (all positives above
    all negatives) or unknown (one image of a class), the interval is that of `newcombe`. Raises ValueError unless there are
    scores of both classes.
    """
    positive_N = np.asarray(is_positive_N, bool)
    from scipy.special import stdtrit

    area, influences_N = influences(scores_N, positive_N)
    low, high = newcombe(area, int(positive_N.sum()), int((~positive_N).sum()), level)
    deviation = math.sqrt(float((by_group(influences_N, groups_N) ** 2).sum()))
    if not 0 < area < 1 or not deviation > 0:
        return area, low, high
    quantile = float(stdtrit(_degrees(influences_N, positive_N, groups_N), 0.5 + level / 2))
    centre, reach = math.log(area / (1 - area)), quantile * deviation / (area * (1 - area))
    ends = [0.5 + 0.5 * math.tanh((centre + sign * reach) / 2) for sign in (-1, 1)]
    return area, ends[0], ends[1]


def mean_auroc_interval(
    scores_NK: Floats, labels_N: NDArray[Any], groups_N: NDArray[Any] | None = None, level: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean over classes of each one's AUROC against the rest, and the ends of its interval, in [0, 1].

    What an image adds to the error of every class's AUROC is summed before it is squared, as DeLong's covariances would have it;
    with `groups_N` by patient. Student's t on the scale of the logit, its degrees of freedom those of the images (patients) less
    the classes, at least one. A class of one image has no variance and adds none. Ends are NaN where nothing varies.
    Raises ValueError where a class has no image.
    """
    from scipy.special import stdtrit

    num_classes, areas, total_N = scores_NK.shape[1], [], np.zeros(len(scores_NK))
    for place in range(num_classes):
        area, influences_N = influences(scores_NK[:, place], labels_N == place)
        areas.append(area)
        total_N += np.nan_to_num(influences_N) / num_classes
    mean, of_groups = float(np.mean(areas)), by_group(total_N, groups_N)
    deviation = math.sqrt(float((of_groups**2).sum()))
    if not 0 < mean < 1 or not deviation > 0:
        return mean, math.nan, math.nan
    quantile = float(stdtrit(max(1, len(of_groups) - num_classes), 0.5 + level / 2))
    centre, reach = math.log(mean / (1 - mean)), quantile * deviation / (mean * (1 - mean))
    ends = [0.5 + 0.5 * math.tanh((centre + sign * reach) / 2) for sign in (-1, 1)]
    return mean, ends[0], ends[1]


def delong_difference(
    scores_a_N: NDArray[Any], scores_b_N: NDArray[Any], is_positive_N: NDArray[Any], groups_N: NDArray[Any] | None = None
) -> tuple[float, float]:
    """Return A's AUROC less B's on the same images, and the variance of that (DeLong et al. 1988), summed by patient.

    The variance is NaN where a class has one image alone. Raises ValueError unless there are scores of both classes.
    """
    (area_a, of_a_N), (area_b, of_b_N) = influences(scores_a_N, is_positive_N), influences(scores_b_N, is_positive_N)
    return area_a - area_b, float((by_group(of_a_N - of_b_N, groups_N) ** 2).sum())


def newcombe(area: float, num_positives: int, num_negatives: int, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the score-like interval for an AUROC: where it lies just `level`'s normal quantile away.

    Method 5 of Newcombe 2006 (https://doi.org/10.1002/sim.2324): the variance is that of Hanley and McNeil 1982 for exponential
    scores, at the end instead of the estimate, with both class sizes taken as their mean inside it.
    """
    z, size = NormalDist().inv_cdf(0.5 + level / 2), (num_positives + num_negatives) / 2 - 1

    def excess(end: float) -> float:
        inner = 1 + size * (1 - end) / (2 - end) + size * end / (1 + end)
        return (area - end) ** 2 - z * z * end * (1 - end) * inner / (num_positives * num_negatives)

    return (0.0 if area <= 0 else _root(excess, 0.0, area)), (1.0 if area >= 1 else _root(excess, 1.0, area))


def by_group(values_N: Floats, groups_N: NDArray[Any] | None) -> Floats:
    """Return the values summed by group, scaled so that their squares are unbiased for few groups; as they are without groups."""
    if groups_N is None:
        return values_N
    names, places_N = np.unique(groups_N, return_inverse=True)
    sums = np.bincount(places_N, weights=values_N, minlength=len(names)).astype(np.float64)
    return sums if len(names) == len(values_N) or len(names) < 2 else sums * math.sqrt(len(names) / (len(names) - 1))


def _degrees(influences_N: Floats, positive_N: NDArray[np.bool_], groups_N: NDArray[Any] | None) -> float:
    """Return Satterthwaite's degrees of freedom of the variance's two parts, that of positives and that of negatives."""
    parts = []
    for of_class_N in (positive_N, ~positive_N):
        summed = by_group(influences_N[of_class_N], None if groups_N is None else np.asarray(groups_N)[of_class_N])
        parts.append((float((summed**2).sum()), max(1, len(summed) - 1)))
    below = sum(variance**2 / degrees for variance, degrees in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below else 1.0


def _root(excess: Any, outer: float, inner: float) -> float:
    """Return where `excess` turns from positive, at the outer end, to negative, at the estimate; to float64's resolution."""
    for _ in range(80):
        middle = (outer + inner) / 2
        outer, inner = (middle, inner) if excess(middle) > 0 else (outer, middle)
    return (outer + inner) / 2


def _midranks(values_N: Floats) -> Floats:
    _, inverse_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2)[inverse_N]
    return ranks
