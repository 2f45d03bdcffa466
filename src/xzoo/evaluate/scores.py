"""Scores of weighted predictions: each gives one value per row of weights, so that resamples are scored together.

They compute in the precision of the weights: float64 for a figure, float32 for the thousand resamples of its interval.
"""

# N = images, K = classes, R = rows of weights (resamples); an image's weight is how often it was drawn

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
MANY_CLASSES = 32
"""Above so many a score of all classes takes another way, whose work does not grow with resamples times classes."""

SMALLEST = 1e-12
"""Lower probabilities are raised to it before the logarithm, so that a certain and wrong answer costs 27.6 nats, not infinity."""


@dataclass(frozen=True, eq=False)
class Split:
    """Probabilities (N,K), true classes (N) and the positive class, where one is known."""

    chances: Floats
    labels: NDArray[np.int64]
    positive: int | None = None

    @functools.cached_property
    def answers(self) -> NDArray[np.int64]:
        """The most probable class of each image (N), the first of equals."""
        return np.asarray(self.chances.argmax(1), np.int64)

    @property
    def num_classes(self) -> int:
        """K."""
        return int(self.chances.shape[1])

    @functools.cached_property
    def class_counts(self) -> NDArray[np.int64]:
        """Images of each class."""
        return np.bincount(self.labels, minlength=self.num_classes)

    @functools.cached_property
    def squared_errors(self) -> Floats:
        """What each image (N) adds to Brier's score of all classes."""
        truth_NK = np.eye(self.num_classes)[self.labels]
        return np.asarray(((self.chances - truth_NK) ** 2).sum(1))

    @functools.cached_property
    def confusion(self) -> NDArray[np.int64]:
        """Images by true class (rows) and answer (columns), (K,K)."""
        cells = np.bincount(self.labels * self.num_classes + self.answers, minlength=self.num_classes**2)
        return cells.reshape(self.num_classes, self.num_classes)


def log_loss(split: Split, weights_RN: Floats) -> Floats:
    """Return the mean of -ln p(true class), in nats, p raised to `SMALLEST`."""
    chances_N = split.chances[np.arange(len(split.labels)), split.labels]
    return _mean(-np.log(np.clip(chances_N, SMALLEST, 1.0)), weights_RN)


def brier(split: Split, weights_RN: Floats) -> Floats:
    """Return the mean squared error of the probabilities: of one class where there are two (0 to 1), summed over more (0 to 2).

    Brier 1950 (https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2) sums over classes; with two that is double.
    """
    errors_N = split.squared_errors
    return _mean(errors_N / 2 if split.num_classes == 2 else errors_N, weights_RN)


def balanced_accuracy(split: Split, weights_RN: Floats) -> Floats:
    """Return the mean of the recalls (Brodersen et al. 2010, https://doi.org/10.1109/ICPR.2010.764)."""
    true_RK, _, right_RK = _margins(split, weights_RN)
    with np.errstate(invalid="ignore"):
        recalls_RK: Floats = right_RK / true_RK
    return np.asarray(recalls_RK.mean(1))


def f1(split: Split, weights_RN: Floats) -> Floats:
    """Return 2 TP / (2 TP + FP + FN) of the positive class, or its mean over the classes where none is known."""
    true_RK, said_RK, right_RK = _margins(split, weights_RN)
    with np.errstate(invalid="ignore"):
        f1_RK: Floats = 2 * right_RK / (true_RK + said_RK)
    return np.asarray(f1_RK.mean(1) if split.positive is None else f1_RK[:, split.positive])


def matthews(split: Split, weights_RN: Floats) -> Floats:
    """Return Matthews' correlation for K classes (Gorodkin 2004, https://doi.org/10.1016/j.compbiolchem.2004.09.006).

    It is 0 where all answers are one class, the limit of answers that tell nothing.
    """
    true_RK, said_RK, right_RK = _margins(split, weights_RN)
    total_R, right_R = true_RK.sum(1), right_RK.sum(1)
    shared_R = right_R * total_R - (true_RK * said_RK).sum(1)
    spread_R = (total_R**2 - (said_RK**2).sum(1)) * (total_R**2 - (true_RK**2).sum(1))
    return np.asarray(np.divide(shared_R, np.sqrt(spread_R), out=np.zeros_like(shared_R), where=spread_R > 0))


def auroc(split: Split, weights_RN: Floats) -> Floats:
    """Return the chance that an image of a class scores above one that is not, ties counting half.

    Two classes have one such figure, more the mean over classes against the rest (Hand and Till 2001 discuss both,
    https://doi.org/10.1023/A:1010920819831). From ranks, as Mann and Whitney 1947.
    """
    if split.num_classes == 2:
        which = 1 if split.positive is None else split.positive
        return _one_auroc(split.chances[:, which], split.labels == which, weights_RN)
    columns = [_one_auroc(split.chances[:, k], split.labels == k, weights_RN) for k in range(split.num_classes)]
    return np.asarray(np.mean(columns, axis=0))


def _one_auroc(scores_N: Floats, hit_N: NDArray[np.bool_], weights_RN: Floats) -> Floats:
    order = np.argsort(scores_N, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores_N[order]) > 0])
    sorted_RN, hit_N = weights_RN[:, order], hit_N[order].astype(weights_RN.dtype)
    hits_RU = sorted_RN * hit_N
    misses_RU = sorted_RN - hits_RU
    if len(starts) < len(order):
        hits_RU, misses_RU = np.add.reduceat(hits_RU, starts, axis=1), np.add.reduceat(misses_RU, starts, axis=1)
    below_RU = np.cumsum(misses_RU, axis=1)
    num_pairs_R = hits_RU.sum(1) * below_RU[:, -1]
    below_RU -= misses_RU / 2
    with np.errstate(invalid="ignore"):
        return np.asarray(np.einsum("ru,ru->r", hits_RU, below_RU) / num_pairs_R)


def _mean(values_N: Floats, weights_RN: Floats) -> Floats:
    return np.asarray(weights_RN @ values_N.astype(weights_RN.dtype) / weights_RN.sum(1))


def _margins(split: Split, weights_RN: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the weight of each true class, of each answer, and of the right answers, all (R,K): sums of whole numbers."""
    if split.num_classes > MANY_CLASSES:
        right_RN = weights_RN * (split.labels == split.answers)
        asked = ((weights_RN, split.labels), (weights_RN, split.answers), (right_RN, split.labels))
        true_RK, said_RK, right_RK = (_by_class(rows_RN, class_N, split.num_classes) for rows_RN, class_N in asked)
        return true_RK, said_RK, right_RK
    classes = np.eye(split.num_classes, dtype=weights_RN.dtype)
    truth_NK, said_NK = classes[split.labels], classes[split.answers]
    return weights_RN @ truth_NK, weights_RN @ said_NK, weights_RN @ (truth_NK * said_NK)


def _by_class(rows_RN: Floats, class_N: NDArray[np.int64], num_classes: int) -> Floats:
    """Return the sums of the columns of each class (R,K)."""
    order = np.argsort(class_N, kind="stable")
    found, starts = np.unique(class_N[order], return_index=True)
    sums_RK = np.zeros((len(rows_RN), num_classes), rows_RN.dtype)
    sums_RK[:, found] = np.add.reduceat(rows_RN[:, order], starts, axis=1)
    return sums_RK
