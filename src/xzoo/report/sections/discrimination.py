"""ROC and precision-recall curves on test, with bands over images and seeds.

N = images, K = classes, R = resamples, G = places on a curve
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.report.reading import Reading
from xzoo.runs.result import CellResult
from xzoo.statistics.resampling import resample_counts

MOST = 12
RESAMPLES = 100
_PLACES = 51
_MOST_CLASSES = 20
_MOST_WEIGHTS = 20_000_000
"""Resamples times images that a seed's band may cost; of larger splits fewer resamples are drawn."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """A curve over places from 0 to 1: the mean over seeds, and the middle 95% of resampled images and seeds."""

    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Discrimination:
    """True positive rate by false positive rate (`roc`), and precision by recall (`pr`); `auroc` is the measure on test."""

    number: int
    id: str
    roc: Shape
    pr: Shape
    auroc: Mapping[str, Any] | None


@dataclass(frozen=True)
class Discriminations:
    """Curves `of` a class, or means over classes each against the rest; `prevalence` is the precision of a blind answer."""

    of: str
    prevalence: float
    places: Sequence[float]
    rows: Sequence[Discrimination]


def discriminations(reading: Reading) -> Discriminations | None:
    """Return the curves of the contenders that rank first; None without test images of every class, or with many classes."""
    data = reading.outcome.dataset
    classes, positive = list(data["classes"]), data.get("positive")
    if len(classes) > _MOST_CLASSES:
        return None
    whiches = [classes.index(positive)] if positive in classes else [1] if len(classes) == 2 else list(range(len(classes)))
    rows, shares = [], []
    for number, row in enumerate(reading.outcome.contenders[:MOST], 1):
        seeds = [one for cell in reading.done(row) if (one := _of_seed(reading, cell, whiches))]
        if seeds:
            roc, pr = _shape([seed[0] for seed in seeds]), _shape([seed[1] for seed in seeds])
            rows.append(Discrimination(number=number, id=row.id, roc=roc, pr=pr, auroc=row.test.get("auroc")))
            shares += [seed[2] for seed in seeds]
    if not rows:
        return None
    of = classes[whiches[0]] if len(whiches) == 1 else "each class against the rest, mean over classes"
    return Discriminations(of, float(np.mean(shares)), [round(float(one), 4) for one in places()], rows)


def places() -> Floats:
    """Return the false positive rates, or the recalls, at which curves are kept (G)."""
    return np.linspace(0.0, 1.0, _PLACES)


def curves(scores_N: Floats, is_positive_N: NDArray[np.bool_], counts_RN: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return true positive rates by false positive rate, and precisions by recall, at `places` (R,G), of weighted images.

    A rate between two thresholds is interpolated, as the curve is drawn; precision is that of the highest threshold that reaches
    a recall, since between two of them it is no straight line (Davis and Goadrich 2006, https://doi.org/10.1145/1143844.1143874).
    """
    order_N = np.argsort(-scores_N, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores_N[order_N]) != 0, True))
    weights_RN, positive_N = counts_RN[:, order_N].astype(np.float64), is_positive_N[order_N]
    hits_RT, alarms_RT = (np.cumsum(weights_RN * mask_N, axis=1)[:, ends] for mask_N in (positive_N, ~positive_N))
    roc_RG, pr_RG = np.empty((len(counts_RN), _PLACES)), np.empty((len(counts_RN), _PLACES))
    for place, (hits_T, alarms_T) in enumerate(zip(hits_RT, alarms_RT, strict=True)):
        rates_T, recalls_T = alarms_T / alarms_T[-1], hits_T / hits_T[-1]
        roc_RG[place] = np.interp(places(), np.append(0.0, rates_T), np.append(0.0, recalls_T))
        first_G = np.minimum(np.searchsorted(recalls_T, places() - 1e-12), len(recalls_T) - 1)
        pr_RG[place] = (hits_T / np.maximum(hits_T + alarms_T, 1e-12))[np.maximum(first_G, np.argmax(hits_T > 0))]
    return roc_RG, pr_RG


def _of_seed(reading: Reading, cell: CellResult, whiches: Sequence[int]) -> tuple[Floats, Floats, float] | None:
    """Return ROC and PR curves (1+R,G) of a cell, the first of its images as they are, and the positive class's share."""
    found = reading.folder.predictions(cell.id)
    chances_NK, labels_N = found["test_probabilities"].astype(np.float64), found["test_labels"].astype(np.int64)
    if any(not 0 < int((labels_N == which).sum()) < len(labels_N) for which in whiches) or not len(labels_N):
        return None
    counts_RN = np.vstack([np.ones((1, len(labels_N)), np.float32), *_draws(labels_N, cell.seed)])
    shapes = [curves(chances_NK[:, which], labels_N == which, counts_RN) for which in whiches]
    roc, pr = (np.mean([shape[kind] for shape in shapes], axis=0) for kind in (0, 1))
    return roc, pr, float(np.mean([(labels_N == which).mean() for which in whiches]))


def _draws(labels_N: NDArray[np.int64], seed: int) -> Iterator[NDArray[np.float32]]:
    most = max(20, min(RESAMPLES, _MOST_WEIGHTS // max(1, len(labels_N))))
    yield from resample_counts(labels_N, num_resamples=most, seed=seed)


def _shape(seeds: Sequence[Floats]) -> Shape:
    drawn = np.vstack([one[1:] for one in seeds])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    mean = np.mean([one[0] for one in seeds], axis=0)
    return Shape(*([round(float(value), 4) for value in line] for line in (mean, low, high)))
