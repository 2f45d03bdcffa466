"""How probabilities would have to be bent to fit what happened: slope, intercept, temperature."""

# N = images, K = classes, G = groups (patients), P = parameters

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.evaluate.scores import SMALLEST
from xzoo.runs.result import Measure

Floats = NDArray[np.float64]
_MOST_STEPS = 200
_FEWEST_PATIENTS = 3
"""Scores sum to 0 over patients, so that the sandwich over G of them has at most G - 1 dimensions, and Wald's p needs two."""


@dataclass(frozen=True)
class Bend:
    """Slope and intercept of the log odds with their 95% intervals, and the p of needing neither; None has its reason.

    `certain` counts the images whose probability was so near to 0 or 1 that it was moved to 1e-12 from there.
    """

    slope: Measure | None
    intercept: Measure | None
    p: float | None
    reason: str = ""
    intercept_reason: str = ""
    certain: int = 0


def bend(said_N: Floats, hit_N: NDArray[np.bool_], groups_N: NDArray[Any] | None = None) -> Bend:
    """Return how the log odds of an event, said with probabilities `said_N`, fit whether it was so.

    The slope is b of logit P = a + b logit(said) by maximum likelihood (Cox 1958, https://doi.org/10.1093/biomet/45.3-4.562):
    below 1 the probabilities are too extreme, above it too timid. The intercept is a where b is held at 1, calibration in the
    large: above 0 the event is more frequent than said (van Calster et al. 2019, https://doi.org/10.1186/s12916-019-1466-7).
    Intervals are Wald's; p is that of the likelihood ratio against a = 0, b = 1. With patients, covariances are the sandwich over
    patients (Liang and Zeger 1986), quantiles Student's with G - 1 degrees, and p is Wald's.
    """
    odds_N, certain = _odds(said_N)
    groups_N = None if groups_N is None else np.unique(groups_N, return_inverse=True)[1]
    if hit_N.all() or not hit_N.any():
        reason = "all images of this split are of one class"
        return Bend(None, None, None, reason, reason, certain)
    moved, moved_error = _shift(odds_N, hit_N, groups_N)
    intercept = _measure(moved, moved_error, len(hit_N), groups_N)
    if reason := _no_slope(odds_N, hit_N):
        return Bend(None, intercept, None, reason, "", certain)
    design_NP = np.column_stack([np.ones(len(odds_N)), odds_N])
    found_P = _newton(design_NP, np.zeros(len(odds_N)), hit_N)
    cov_PP = _covariance(design_NP, _logistic(design_NP @ found_P), hit_N, groups_N)
    slope = _measure(float(found_P[1]), math.sqrt(cov_PP[1, 1]), len(hit_N), groups_N)
    away_P = found_P - np.array([0.0, 1.0])
    if groups_N is None:
        statistic = 2 * (_log_likelihood(design_NP @ found_P, hit_N) - _log_likelihood(odds_N, hit_N))
    elif groups_N.max() < _FEWEST_PATIENTS - 1 or np.linalg.matrix_rank(cov_PP, hermitian=True) < 2:
        return Bend(slope, intercept, None, "", "", certain)
    else:
        statistic = float(away_P @ np.linalg.solve(cov_PP, away_P))
    return Bend(slope, intercept, _tail(statistic, 2), "", "", certain)


def scale(
    chances_NK: Floats, labels_N: NDArray[np.int64], groups_N: NDArray[Any] | None = None
) -> tuple[Measure | None, float | None, str]:
    """Return 1/T of the temperature T that fits best, the p of T = 1, and the reason where there is none.

    softmax(log(chances) / T) has the greatest likelihood: temperature scaling (Guo et al. 2017, https://arxiv.org/abs/1706.04599),
    which is concave in 1/T. It is the slope of several classes; below 1 the probabilities are too extreme.
    """
    logs_NK = np.log(np.clip(chances_NK, SMALLEST, 1.0))
    true_N = logs_NK[np.arange(len(labels_N)), labels_N]
    if (logs_NK.max(1) == logs_NK.min(1)).all():
        return None, None, "every class is as probable as the others in every image"
    if (true_N == logs_NK.max(1)).all() or (true_N == logs_NK.min(1)).all():
        return None, None, "the probabilities make no error, so that no finite scale fits best"
    groups_N = None if groups_N is None else np.unique(groups_N, return_inverse=True)[1]
    beta = _best_scale(logs_NK, true_N)
    mean_N, variance_N = _moments(logs_NK, beta)
    information = float(variance_N.sum())
    error = math.sqrt(_robust(np.array([[1 / information]]), (true_N - mean_N)[:, None], groups_N)[0, 0])
    if groups_N is None:
        statistic = 2 * (_scaled_likelihood(logs_NK, true_N, beta) - _scaled_likelihood(logs_NK, true_N, 1.0))
    else:
        statistic = ((beta - 1) / error) ** 2
    return _measure(beta, error, len(labels_N), groups_N), _tail(statistic, 1), ""


def temperature(chances_NK: Floats, labels_N: NDArray[np.int64]) -> tuple[float | None, str]:
    """Return the temperature fitted to a validation split, or None and why there is none."""
    found, _, reason = scale(chances_NK, labels_N)
    if found is None:
        return None, reason
    if found.value <= 0:
        return None, "the probabilities rank the classes worse than chance, so that no temperature above 0 fits best"
    return 1 / found.value, ""


def scaled(chances_NK: Floats, at: float) -> Floats:
    """Return the probabilities at a temperature: `at` above 1 makes them less extreme, and the answers stay."""
    logs_NK = np.log(np.clip(chances_NK, SMALLEST, 1.0)) / at
    powers_NK = np.exp(logs_NK - logs_NK.max(1, keepdims=True))
    return np.asarray(powers_NK / powers_NK.sum(1, keepdims=True))


def _odds(said_N: Floats) -> tuple[Floats, int]:
    clipped_N = np.clip(said_N, SMALLEST, 1 - SMALLEST)
    return np.log(clipped_N) - np.log1p(-clipped_N), int((clipped_N != said_N).sum())


def _no_slope(odds_N: Floats, hit_N: NDArray[np.bool_]) -> str:
    """Return why the likelihood has no finite maximum: the classes do not overlap (Albert and Anderson 1984)."""
    ill_N, well_N = odds_N[hit_N], odds_N[~hit_N]
    if odds_N.max() == odds_N.min():
        return "every image has the same probability"
    if well_N.max() <= ill_N.min() or ill_N.max() <= well_N.min():
        return "the probabilities separate the classes, so that no finite slope fits best"
    return ""


def _shift(odds_N: Floats, hit_N: NDArray[np.bool_], groups_N: NDArray[np.int64] | None) -> tuple[float, float]:
    """Return the intercept with the slope held at 1, and its standard error."""
    ones_N1 = np.ones((len(odds_N), 1))
    found_P = _newton(ones_N1, odds_N, hit_N)
    cov_PP = _covariance(ones_N1, _logistic(odds_N + found_P[0]), hit_N, groups_N)
    return float(found_P[0]), math.sqrt(cov_PP[0, 0])


def _newton(design_NP: Floats, offset_N: Floats, hit_N: NDArray[np.bool_]) -> Floats:
    """Return the maximum of a logistic likelihood that has one; steps that lower it are halved."""
    found_P = np.zeros(design_NP.shape[1])
    height = _log_likelihood(offset_N, hit_N)
    for _ in range(_MOST_STEPS):
        said_N = _logistic(offset_N + design_NP @ found_P)
        curve_PP = (design_NP * (said_N * (1 - said_N))[:, None]).T @ design_NP
        # Where all weights round to 0 the slope of the likelihood still shows the way.
        ridge_PP = 1e-12 * np.eye(len(found_P))
        step_P = np.linalg.solve(curve_PP + ridge_PP, design_NP.T @ (hit_N - said_N))
        step_P *= min(1.0, 5.0 / max(float(np.abs(step_P).max()), 1e-300))
        # Near the top the likelihood's rounding is larger than what a step gains.
        rounding = 1e-12 * abs(height)
        while (tried := _log_likelihood(offset_N + design_NP @ (found_P + step_P), hit_N)) < height - rounding:
            step_P /= 2
        found_P, height = found_P + step_P, max(tried, height)
        if np.abs(step_P).max() <= 1e-12 * max(1.0, float(np.abs(found_P).max())):
            break
    return found_P


def _best_scale(logs_NK: Floats, true_N: Floats) -> float:
    """Return the 1/T at which the slope of the likelihood is 0, by bisection between ends that hold it, then Newton's steps."""

    def gradient(beta: float) -> float:
        return float((true_N - _moments(logs_NK, beta)[0]).sum())

    low, high = -1.0, 1.0
    while gradient(high) > 0:
        high *= 2
    while gradient(low) < 0:
        low *= 2
    while high - low > 1e-14 * max(1.0, abs(low) + abs(high)):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if gradient(middle) > 0 else (low, middle)
    return (low + high) / 2


def _moments(logs_NK: Floats, beta: float) -> tuple[Floats, Floats]:
    """Return mean and variance of the log probabilities under their own scaled distribution."""
    powers_NK = np.exp(beta * logs_NK - (beta * logs_NK).max(1, keepdims=True))
    shares_NK = powers_NK / powers_NK.sum(1, keepdims=True)
    mean_N = (shares_NK * logs_NK).sum(1)
    return mean_N, (shares_NK * (logs_NK - mean_N[:, None]) ** 2).sum(1)


def _scaled_likelihood(logs_NK: Floats, true_N: Floats, beta: float) -> float:
    highest_N = (beta * logs_NK).max(1)
    return float((beta * true_N - highest_N - np.log(np.exp(beta * logs_NK - highest_N[:, None]).sum(1))).sum())


def _covariance(design_NP: Floats, said_N: Floats, hit_N: NDArray[np.bool_], groups_N: NDArray[np.int64] | None) -> Floats:
    inverse_PP = np.linalg.inv((design_NP * (said_N * (1 - said_N))[:, None]).T @ design_NP)
    return _robust(np.asarray(inverse_PP, np.float64), design_NP * (hit_N - said_N)[:, None], groups_N)


def _robust(inverse_PP: Floats, scores_NP: Floats, groups_N: NDArray[np.int64] | None) -> Floats:
    """Return the inverse information, or around it the spread of the patients' scores, corrected for few patients."""
    if groups_N is None:
        return inverse_PP
    num_groups, (n, num_parameters) = int(groups_N.max()) + 1, scores_NP.shape
    sums_GP = np.stack([np.bincount(groups_N, column, num_groups) for column in scores_NP.T], 1)
    few = num_groups / max(num_groups - 1, 1) * (n - 1) / max(n - num_parameters, 1)
    return np.asarray(few * inverse_PP @ (sums_GP.T @ sums_GP) @ inverse_PP)


def _measure(value: float, error: float, n: int, groups_N: NDArray[np.int64] | None) -> Measure:
    from scipy.special import ndtri, stdtrit

    reach = float(ndtri(0.975)) if groups_N is None else float(stdtrit(max(int(groups_N.max()), 1), 0.975))
    return Measure(value, value - reach * error, value + reach * error, n)


def _tail(statistic: float, degrees: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(degrees, max(statistic, 0.0)))


def _logistic(odds_N: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(odds_N))


def _log_likelihood(odds_N: Floats, hit_N: NDArray[np.bool_]) -> float:
    return float(-np.logaddexp(0.0, np.where(hit_N, -odds_N, odds_N)).sum())
