"""The line through a short series against scipy, generalised least squares, and what its intervals hold."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from xzoo.statistics import trend as trends
from xzoo.statistics.trend import CORRELATIONS, Trend, slope_of_each, trend


def series(rng: np.random.Generator, length: int, correlation: float) -> NDArray[np.float64]:
    """Return an autoregression of order 1 with variance 1 / (1 - correlation ** 2)."""
    values = np.empty(length)
    values[0] = rng.normal() / np.sqrt(1 - correlation**2)
    for place in range(1, length):
        values[place] = correlation * values[place - 1] + rng.normal()
    return values


@given(st.lists(st.integers(-1000, 1000), min_size=3, max_size=60))
def test_the_slope_agrees_with_scipy(values: list[int]) -> None:
    assert trend(values).value == pytest.approx(stats.linregress(range(len(values)), values).slope, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("length", [4, 9, 20])
def test_error_and_likelihood_of_each_correlation_are_those_of_generalised_least_squares(length: int) -> None:
    steps = np.arange(length) - (length - 1) / 2
    design = sm.add_constant(steps)
    values = series(np.random.default_rng(length), length, 0.5)
    rest = values - sm.OLS(values, design).fit().fittedvalues
    weights_R, variances_R, _ = trends._weighed(rest)
    heights = []
    for correlation, variance in zip(CORRELATIONS, variances_R, strict=True):
        alike = correlation ** np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
        leave = np.eye(length) - design @ np.linalg.inv(design.T @ design) @ design.T
        expected = float(steps @ alike @ steps) / float(steps @ steps) ** 2 * float(rest @ rest) / np.trace(leave @ alike)
        assert variance == pytest.approx(expected, rel=1e-9)
        fitted = sm.GLS(values, design, sigma=alike).fit()
        bent = float(fitted.wresid @ fitted.wresid)
        inner = design.T @ np.linalg.inv(alike) @ design
        heights.append(-0.5 * (np.linalg.slogdet(alike)[1] + np.linalg.slogdet(inner)[1]) - (length - 2) / 2 * np.log(bent))
    expected_R = np.exp(np.array(heights) - max(heights))
    assert weights_R == pytest.approx(expected_R / expected_R.sum(), rel=1e-7)


@pytest.mark.parametrize(("correlation", "length"), [(0.0, 8), (0.0, 20), (0.6, 8), (0.6, 20), (0.8, 40)])
def test_intervals_hold_the_slope_also_where_neighbours_are_alike(correlation: float, length: int) -> None:
    rng = np.random.default_rng(7)
    held = [found.low <= 0 <= found.high for found in (trend(series(rng, length, correlation)) for _ in range(400))]
    assert np.mean(held) >= 0.91, "95% less three standard errors of 400 draws, and less 1% for the strongest correlations"


def test_a_plain_line_would_hold_it_in_two_thirds_of_cases_alone() -> None:
    rng, held = np.random.default_rng(7), []
    for _ in range(400):
        line = stats.linregress(range(20), series(rng, 20, 0.6))
        held.append(abs(line.slope) <= stats.t.ppf(0.975, 18) * line.stderr)
    assert np.mean(held) < 0.8


def test_what_comes_from_elsewhere_widens_the_interval_by_its_variance() -> None:
    straight = [0.1 * place for place in range(6)]
    alone = trend(straight)
    assert alone == Trend(alone.value, 0.0, alone.value, alone.value, 6)
    wider = trend(straight, 0.04)
    assert (wider.high - wider.low) / 2 == pytest.approx(1.96 * 0.2, rel=1e-3)
    noisy = series(np.random.default_rng(0), 12, 0.0)
    assert trend(noisy, 0.01).error ** 2 == pytest.approx(trend(noisy).error ** 2 + 0.01)


def test_the_mean_of_the_slopes_is_the_slope_of_the_mean() -> None:
    values_NE = np.random.default_rng(0).normal(size=(50, 9))
    assert slope_of_each(values_NE).mean() == pytest.approx(trend(values_NE.mean(0).tolist()).value)
    assert slope_of_each(values_NE)[3] == pytest.approx(stats.linregress(range(9), values_NE[3]).slope)


def test_a_flat_line_has_no_error_and_three_values_are_needed() -> None:
    assert trend([0.5] * 6) == Trend(0.0, 0.0, 0.0, 0.0, 6)
    with pytest.raises(ValueError, match="2 values"):
        trend([1.0, 2.0])
