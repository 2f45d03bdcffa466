"""The slope of a line through a short series whose neighbouring values are alike."""

# N = values of the series, R = autocorrelations

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CORRELATIONS = np.linspace(0.0, 0.95, 20)
"""Autocorrelations that are weighed against each other."""


@dataclass(frozen=True)
class Trend:
    """Change per step of a line through `n` values, its standard error, and the ends of its 95% interval."""

    value: float
    error: float
    low: float
    high: float
    n: int


def trend(values: Sequence[float] | Floats, other_variance: float = 0.0, level: float = 0.95) -> Trend:
    """Return the least squares slope, one step per value, and an interval that knows that neighbours are alike.

    The deviations from the line are taken as an autoregression of order 1 with an unknown correlation between 0 and 0.95. Each
    correlation gives the slope an error and its degrees of freedom (Satterthwaite 1946); they are weighed by their restricted
    likelihood (Harville 1974, https://doi.org/10.1093/biomet/61.2.383), since a short series cannot tell one from another.
    `other_variance` is that of the slope from another source, such as the choice of the images. Raises ValueError for fewer than
    three values.
    """
    heights_N = np.asarray(values, np.float64)
    n = len(heights_N)
    if n < 3:
        raise ValueError(f"a slope through {n} values")
    steps_N = np.arange(n) - (n - 1) / 2
    pull_N = steps_N / float(steps_N @ steps_N)
    value = float(pull_N @ (heights_N - heights_N[0]))
    rest_N = heights_N - heights_N.mean() - value * steps_N
    if float(np.abs(rest_N).max()) <= 1e-14 * max(1.0, float(np.abs(heights_N).max())):
        rest_N = np.zeros(n)
    weights_R, variances_R, degrees_R = _weighed(rest_N)
    half = _half(weights_R, variances_R, degrees_R, other_variance, level)
    error = math.sqrt(float(weights_R @ variances_R) + other_variance)
    return Trend(value, error, value - half, value + half, n)


def slope_of_each(values_NE: Floats) -> Floats:
    """Return the least squares slope of each row; their mean is the slope of the mean row, so their spread is its error."""
    steps_E = np.arange(values_NE.shape[1]) - (values_NE.shape[1] - 1) / 2
    return np.asarray(values_NE @ steps_E / float(steps_E @ steps_E), np.float64)


@dataclass(frozen=True, eq=False)
class _Shape:
    """What a correlation means for `n` values, whatever they are.

    The slope's variance is `spread` times the squared rest, and the likelihood's own part is `height`; `bend_NN` gives the rest
    by generalised least squares.
    """

    spread: float
    degrees: float
    height: float
    bend_NN: Floats


@functools.lru_cache(maxsize=64)
def _shapes(n: int) -> tuple[_Shape, ...]:
    steps_N = np.arange(n) - (n - 1) / 2
    design_N2 = np.column_stack([np.ones(n), steps_N])
    leave_NN = np.eye(n) - design_N2 @ np.linalg.pinv(design_N2)
    pull_N = steps_N / float(steps_N @ steps_N)
    found = []
    for correlation in CORRELATIONS:
        alike_NN = correlation ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        inverse_NN = np.linalg.inv(alike_NN)
        inner_22 = design_N2.T @ inverse_NN @ design_N2
        bend_NN = inverse_NN - inverse_NN @ design_N2 @ np.linalg.solve(inner_22, design_N2.T @ inverse_NN)
        left_NN = leave_NN @ alike_NN
        spread = float(pull_N @ alike_NN @ pull_N) / float(np.trace(left_NN))
        degrees = float(np.trace(left_NN)) ** 2 / float(np.trace(left_NN @ left_NN))
        height = -0.5 * float(np.linalg.slogdet(alike_NN)[1] + np.linalg.slogdet(inner_22)[1])
        found.append(_Shape(spread, degrees, height, bend_NN))
    return tuple(found)


def _weighed(rest_N: Floats) -> tuple[Floats, Floats, Floats]:
    """Return each correlation's weight, the slope's variance under it, and its degrees of freedom."""
    shapes = _shapes(len(rest_N))
    degrees_R = np.array([shape.degrees for shape in shapes])
    squared = float(rest_N @ rest_N)
    variances_R = np.array([shape.spread * squared for shape in shapes])
    if not squared:
        return np.full(len(shapes), 1 / len(shapes)), variances_R, degrees_R
    bent_R = np.array([float(rest_N @ shape.bend_NN @ rest_N) for shape in shapes])
    heights_R = np.array([shape.height for shape in shapes]) - (len(rest_N) - 2) / 2 * np.log(bent_R)
    weights_R = np.exp(heights_R - heights_R.max())
    return weights_R / weights_R.sum(), variances_R, degrees_R


def _half(weights_R: Floats, variances_R: Floats, degrees_R: Floats, other: float, level: float) -> float:
    """Return how far from 0 lie the ends that hold `level` of the weighed Student distributions, by bisection."""
    from scipy.special import stdtr, stdtrit

    total_R = variances_R + other
    if not total_R.max():
        return 0.0
    # What comes from elsewhere counts as known well, so that degrees grow with its share (Welch, Satterthwaite).
    grown_R = np.minimum(degrees_R * (total_R / np.maximum(variances_R, 1e-9 * total_R)) ** 2, 1e6)
    high = float(stdtrit(float(grown_R.min()), 0.5 + level / 2)) * math.sqrt(float(total_R.max()))
    low = 0.0
    for _ in range(80):
        middle = (low + high) / 2
        if float(weights_R @ stdtr(grown_R, middle / np.sqrt(total_R))) < 0.5 + level / 2:
            low = middle
        else:
            high = middle
    return high
