"""How many labels are wrong, read from the images that the others' features leave no doubt about.

Hard images lie where classes meet, wrong labels everywhere. So among images that a classifier, trained without them, is surest
of, hard ones vanish and wrong labels stay: the share of contradicted labels does not fall below that of wrong ones.

N = images, D = features, K = classes
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xzoo.runs.result import Measure
from xzoo.statistics.intervals import wilson
from xzoo.statistics.resampling import dealt

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FOLDS = 5
WORTH_TELLING = 0.03
"""Wrong labels below this share are none to act on, and features that mistake some images look like as many."""

LEAST_RANKING = 0.8
"""Of the features' AUROC: with less no image is sure enough to contradict its label."""

FEWEST = 100
_SURE = 0.5
_RIDGE = 1.0
_MOST_NAMED = 20


@dataclass(frozen=True)
class Noise:
    """The share of wrong labels with its 95% interval, None where it cannot be told, for a reason.

    `contradicted` is the share among the surer half of the images whose label is not the one their features say; `images` are the
    places of those, the surest first. `ranking` is the AUROC of the features, of several classes the mean over them.
    """

    wrong: Measure | None
    contradicted: Measure | None
    ranking: float | None
    images: tuple[int, ...] = ()
    reason: str = ""

    @property
    def is_there(self) -> bool:
        """Whether more labels are wrong than `WORTH_TELLING`, by both figures."""
        figures = (self.wrong, self.contradicted)
        return not self.reason and all(one is not None and (one.low or 0.0) > WORTH_TELLING for one in figures)


def noise(values_ND: NDArray[np.floating], labels_N: Indices, units_N: Indices, num_classes: int, seed: int = 0) -> Noise:
    """Return how many of these labels are wrong, by features that `twosample.directions` gave.

    Scores are those of cross-fitted ridge regressions, one for each class; images of one unit share a fold. `wrong` is the rho of
    P(label is the one said) = (1 - rho) q + rho (1 - q) / (K - 1), q = 1 / (1 + (K - 1) exp(-a m - b)) for the margin m between
    the two highest scores, by maximum likelihood with the likelihood-ratio interval: random classification noise as in Angluin
    and Laird 1988 (https://doi.org/10.1023/A:1022873112823) on a logistic curve. Where two classes score the same, the one said
    is right by 1 / K at least and by 1 / 2 at most, so 0 <= b <= log(K - 1): of two classes there is no b.
    """
    counts = np.bincount(labels_N, minlength=num_classes)
    if len(labels_N) < FEWEST or counts.min() < 2 * FOLDS:
        return Noise(None, None, None, reason=f"{len(labels_N)} images, {counts.min()} of the rarest class, are too few")
    fold_N = dealt(labels_N, units_N, FOLDS, np.random.default_rng(seed))
    scores_NK = _scores(values_ND.astype(np.float64), labels_N, fold_N, num_classes)
    ranking = _ranking(scores_NK, labels_N)
    said_N, margins_N = scores_NK.argmax(1), _margins(scores_NK)
    hit_N = said_N == labels_N
    sure_N = _surer(margins_N, said_N)
    successes, n = int((sure_N & ~hit_N).sum()), int(sure_N.sum())
    contradicted = Measure(successes / n, *wilson(successes, n), n)
    named = np.flatnonzero(sure_N & ~hit_N)
    images = tuple(int(place) for place in named[np.argsort(-margins_N[named], kind="stable")][:_MOST_NAMED])
    if ranking < LEAST_RANKING:
        reason = f"the features rank the classes too weakly (AUROC {ranking:.2f}) to contradict a label"
        return Noise(None, contradicted, ranking, images, reason)
    return Noise(_rate(margins_N / margins_N.std(), hit_N, num_classes), contradicted, ranking, images)


def _rate(margins_N: Floats, hit_N: NDArray[np.bool_], num_classes: int) -> Measure:
    """Return the maximum-likelihood rate of wrong labels with its likelihood-ratio interval."""
    from scipy.optimize import brentq
    from scipy.special import chdtri

    likelihood = _Likelihood(margins_N, hit_N, num_classes)
    most = 0.99 * (num_classes - 1) / num_classes
    starts = [(slope, 0.0, share * most) for slope in (2.0, 8.0) for share in (0.0, 0.1, 0.3)]
    least, best = min((likelihood.least(start, (0.0, most)) for start in starts), key=lambda found: found[0])
    reach = float(chdtri(1, 0.05)) / 2

    def beyond(rate: float) -> float:
        return likelihood.least((best[0], best[1], rate), (rate, rate))[0] - least - reach

    low = 0.0 if beyond(0.0) <= 0 else float(brentq(beyond, 0.0, best[2], xtol=1e-5))
    high = most if beyond(most) <= 0 else float(brentq(beyond, best[2], most, xtol=1e-5))
    return Measure(float(best[2]), low, high, len(hit_N))


@dataclass(frozen=True, eq=False)
class _Likelihood:
    """The negative log-likelihood of a curve's slope and offset and a rate of wrong labels."""

    margins_N: Floats
    hit_N: NDArray[np.bool_]
    num_classes: int

    def least(self, start: tuple[float, float, float], rates: tuple[float, float]) -> tuple[float, Floats]:
        """Return the least value, with the rate between two ends, and where it is."""
        from scipy.optimize import minimize

        bounds = [(0.0, 60.0), (0.0, math.log(self.num_classes - 1)), rates]
        found = minimize(self._cost, np.array(start), jac=True, method="L-BFGS-B", bounds=bounds)
        return float(found.fun), np.asarray(found.x)

    def _cost(self, found: Floats) -> tuple[float, Floats]:
        from scipy.special import expit

        slope, offset, rate = found
        others = self.num_classes - 1
        right_N = expit(slope * self.margins_N + offset - math.log(others))
        chance_N = np.clip((1 - rate) * right_N + rate * (1 - right_N) / others, 1e-12, 1 - 1e-12)
        by_chance_N = np.where(self.hit_N, -1 / chance_N, 1 / (1 - chance_N))
        by_curve_N = by_chance_N * (1 - rate - rate / others) * right_N * (1 - right_N)
        by_rate = by_chance_N @ ((1 - right_N) / others - right_N)
        cost = -np.log(np.where(self.hit_N, chance_N, 1 - chance_N)).sum()
        return float(cost), np.array([by_curve_N @ self.margins_N, by_curve_N.sum(), by_rate])


def _scores(values_ND: Floats, labels_N: Indices, fold_N: Indices, num_classes: int) -> Floats:
    """Return each image's score for each class (N,K), by ridge regression on the other folds, every class weighing the same."""
    scores_NK = np.empty((len(labels_N), num_classes))
    for fold in range(int(fold_N.max()) + 1):
        held_N = fold_N == fold
        rest_ND, rest_labels_N = values_ND[~held_N], labels_N[~held_N]
        counts_K = np.maximum(np.bincount(rest_labels_N, minlength=num_classes), 1)
        weights_N = len(rest_labels_N) / (num_classes * counts_K[rest_labels_N])
        mean_D = (weights_N[:, None] * rest_ND).sum(0) / weights_N.sum()
        away_ND = rest_ND - mean_D
        covariance = (weights_N[:, None] * away_ND).T @ away_ND
        ridge = _RIDGE * np.trace(covariance) / len(covariance) + 1e-9
        target_NK = weights_N[:, None] * (np.eye(num_classes)[rest_labels_N] - 1 / num_classes)
        found_DK = np.linalg.solve(covariance + ridge * np.eye(len(covariance)), away_ND.T @ target_NK)
        scores_NK[held_N] = (values_ND[held_N] - mean_D) @ found_DK
    return scores_NK


def _margins(scores_NK: Floats) -> Floats:
    highest = np.partition(scores_NK, -2, axis=1)[:, -2:]
    return np.asarray(highest[:, 1] - highest[:, 0])


def _surer(margins_N: Floats, said_N: Indices) -> NDArray[np.bool_]:
    """Return which images are among the surer half of those of which the same class is said."""
    sure_N = np.zeros(len(margins_N), bool)
    for label in np.unique(said_N):
        places = np.flatnonzero(said_N == label)
        order = places[np.argsort(-margins_N[places], kind="stable")]
        sure_N[order[: max(1, math.floor(_SURE * len(order)))]] = True
    return sure_N


def _ranking(scores_NK: Floats, labels_N: Indices) -> float:
    from xzoo.statistics.auroc import influences

    return float(np.mean([influences(column, labels_N == k)[0] for k, column in enumerate(scores_NK.T)]))
