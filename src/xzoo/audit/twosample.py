"""Can a classifier tell two samples apart? Cross-fitted, with an exact permutation test and an interval for its AUROC.

The classifier two-sample test of Lopez-Paz and Oquab 2017 (https://openreview.net/forum?id=SJkXfE5xx) with AUROC in the place of
accuracy, which needs no threshold, and ridge regression as the classifier: its scores are linear in the labels, so that those of
all permutations are one matrix product.

N = images, D = features, S = permutations (the given labels first), M = images of a part
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from xzoo.runs.result import Measure
from xzoo.statistics.resampling import dealt

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Marks = NDArray[np.bool_]

FOLDS = 5
PERMUTATIONS = 999
_MOST_DIRECTIONS = 256
_CONSTANT = 1e-5
_RIDGE = 1.0


@dataclass(frozen=True, eq=False)
class TwoSample:
    """How well the second sample was told from the first: 0.5 is not at all. `p` is one-sided, 1/(permutations + 1) at least.

    `beyond_N` is of each image the share of the other sample's images, of the same fold and stratum, that look less like the
    second sample than it does; `scores_N` is what the classifier said, higher for the second.
    """

    auroc: Measure
    p: float
    beyond_N: NDArray[np.float64]
    scores_N: Floats


def directions(features_ND: NDArray[np.floating]) -> Floats:
    """Return features as at most 256 principal components (N,D) of what they are at deviation 1, without the constant ones."""
    values = features_ND.astype(np.float64)
    deviation = values.std(0)
    kept = deviation > _CONSTANT * np.abs(values.mean(0))
    if not kept.any():
        return np.zeros((len(values), 1), np.float32)
    values = (values[:, kept] - values[:, kept].mean(0)) / deviation[kept]
    left, size, _ = np.linalg.svd(values, full_matrices=False)
    return np.asarray(left[:, :_MOST_DIRECTIONS] * size[:_MOST_DIRECTIONS], np.float32)


def two_sample(
    values_ND: Floats,
    is_second_N: Marks,
    *,
    strata_N: Indices | None = None,
    units_N: Indices | None = None,
    num_permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> TwoSample:
    """Test whether the images marked as second come from where the first come from, by features as `directions` gives them.

    With `strata_N` (classes) that is asked of images of one stratum: features are centred in each, and only images of one stratum
    are held against each other. Images of one unit (a patient, copies) stay in one fold and are permuted together. Labels are
    permuted within fold and stratum, so that p is exact for exchangeable units. The interval is that of a cross-validated AUROC
    by its influence curve (LeDell, Petersen and van der Laan 2015, https://doi.org/10.1214/15-EJS1035), summed by units, on the
    logit scale. Raises ValueError unless both samples hold two units or more.
    """
    num = len(is_second_N)
    strata = np.zeros(num, np.int64) if strata_N is None else np.unique(strata_N, return_inverse=True)[1]
    units = np.arange(num) if units_N is None else np.unique(units_N, return_inverse=True)[1]
    for side in (True, False):
        if len(np.unique(units[is_second_N == side])) < 2:
            raise ValueError("each sample needs two units")
    random = np.random.default_rng(seed)
    folds = dealt(2 * strata + is_second_N, units, FOLDS, random)
    marks_NS = _permuted(is_second_N, folds, strata, units, num_permutations, random)
    scores_NS = _scores(_centred(values_ND, strata), marks_NS, folds)
    aurocs_S = _aurocs(scores_NS, marks_NS, folds, strata)
    p = float((1 + (aurocs_S[1:] >= aurocs_S[0] - 1e-12).sum()) / (1 + num_permutations))
    beyond_N, low, high = _interval(scores_NS[:, 0], is_second_N, folds * (strata.max() + 1) + strata, units, float(aurocs_S[0]))
    return TwoSample(Measure(float(aurocs_S[0]), low, high, num), p, beyond_N, scores_NS[:, 0])


def _permuted(
    is_second_N: Marks, folds: Indices, strata: Indices, units: Indices, count: int, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return the labels (N,S): as given, then permuted among the units of each fold and stratum."""
    # Images of one unit that lie in both samples, or in several strata, are moved apart from each other.
    keys = np.stack([folds, strata, units, is_second_N.astype(np.int64)])
    _, first, part = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    part = part.ravel()
    blocks = np.unique(np.stack([folds[first], strata[first]]), axis=1, return_inverse=True)[1].ravel()
    marks_US = np.repeat(is_second_N[first][:, None], count + 1, axis=1)
    for block in range(blocks.max() + 1):
        members = np.flatnonzero(blocks == block)
        marks_US[members, 1:] = random.permuted(marks_US[members, 1:], axis=0)
    return np.asarray(marks_US[part])


def _centred(values_ND: Floats, strata: Indices) -> Floats:
    centred_ND = values_ND.astype(np.float32)
    for stratum in range(strata.max() + 1):
        centred_ND[strata == stratum] -= centred_ND[strata == stratum].mean(0)
    return centred_ND


def _scores(values_ND: Floats, marks_NS: NDArray[np.bool_], folds: Indices) -> Floats:
    """Return each image's score (N,S) by ridge regression on the other folds' labels."""
    scores = np.empty(marks_NS.shape, np.float32)
    for fold in range(folds.max() + 1):
        held = folds == fold
        train_MD, marks_MS = values_ND[~held], marks_NS[~held].astype(np.float32)
        covariance = train_MD.T @ train_MD
        ridge = _RIDGE * np.trace(covariance) / len(covariance) + 1e-6
        weights_DS = np.linalg.solve(
            covariance + ridge * np.eye(len(covariance), dtype=np.float32), train_MD.T @ (marks_MS - marks_MS.mean(0))
        )
        scores[held] = values_ND[held] @ weights_DS
    return scores


def _aurocs(scores_NS: Floats, marks_NS: NDArray[np.bool_], folds: Indices, strata: Indices) -> NDArray[np.float64]:
    """Return for each permutation the share of pairs, of one fold and stratum, in the right order; ties count half."""
    from scipy.stats import rankdata

    won_S, pairs_S = np.zeros(marks_NS.shape[1]), np.zeros(marks_NS.shape[1])
    for fold in range(folds.max() + 1):
        for stratum in range(strata.max() + 1):
            part = (folds == fold) & (strata == stratum)
            if not part.any():
                continue
            # Units differ in size, so the samples' sizes differ between permutations.
            num_second_S = marks_NS[part].sum(0)
            ranks_MS = rankdata(scores_NS[part], axis=0)
            won_S += (ranks_MS * marks_NS[part]).sum(0) - num_second_S * (num_second_S + 1) / 2
            pairs_S += num_second_S * (part.sum() - num_second_S)
    return np.where(pairs_S > 0, won_S / np.maximum(pairs_S, 1), 0.5)


def _interval(
    scores_N: Floats, is_second_N: Marks, parts: Indices, units: Indices, auroc: float
) -> tuple[NDArray[np.float64], float, float]:
    """Return each image's placement among the other sample's, and the ends of the 95% interval."""
    beyond = np.full(len(scores_N), 0.5)
    influence = np.zeros(len(scores_N))
    pairs = 0
    for part in np.unique(parts):
        second, first = (np.flatnonzero((parts == part) & (is_second_N == side)) for side in (True, False))
        if not (len(second) and len(first)):
            continue
        beyond[second], beyond[first] = placed(scores_N[second], scores_N[first]), placed(scores_N[first], scores_N[second])
        influence[second] = (beyond[second] - auroc) * len(first)
        influence[first] = (1 - beyond[first] - auroc) * len(second)
        pairs += len(first) * len(second)
    if not pairs:
        return beyond, 0.0, 1.0
    error = float(np.sqrt((np.bincount(units, influence) ** 2).sum())) / pairs
    return beyond, *logit_interval(auroc, error)


def placed(values: NDArray[np.floating], among: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return of each value the share of `among` that is below it, equal ones counted half."""
    ordered = np.sort(among)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / (2 * len(ordered))


def logit_interval(share: float, error: float, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of an interval of a share with this standard error, on the logit scale; at 0 and 1 all is possible."""
    if not 0 < share < 1:
        return 0.0, 1.0
    reach = NormalDist().inv_cdf(0.5 + level / 2) * error / (share * (1 - share))
    low, high = (1 / (1 + np.exp(-(np.log(share / (1 - share)) + side * reach))) for side in (-1, 1))
    return float(low), float(high)
