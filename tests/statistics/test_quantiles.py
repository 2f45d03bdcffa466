from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from xzoo.statistics.quantiles import median_interval, quantile_interval

DRAWS = 2000


@pytest.mark.parametrize("n", [6, 7, 12, 20, 57])
def test_the_medians_interval_holds_it_as_often_as_it_says_and_hardly_oftener(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [median_interval(row) for row in rng.lognormal(0, 1, (DRAWS, n)).tolist()]
    held = np.mean([ends is not None and ends[0] <= 1 <= ends[1] for ends in found])
    [r] = [r for r in range(1, n // 2 + 1) if 2 * stats.binom.cdf(r - 1, n, 0.5) <= 0.05 < 2 * stats.binom.cdf(r, n, 0.5)]
    # Four standard errors of a share around what the binomial distribution says.
    assert held == pytest.approx(1 - 2 * stats.binom.cdf(r - 1, n, 0.5), abs=4 * (0.05 * 0.95 / DRAWS) ** 0.5)


@pytest.mark.parametrize("n", [6, 9, 20, 101])
def test_the_medians_interval_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).gamma(2, 1, n).tolist()
    oracle: Any = stats.quantile_test(values, p=0.5)
    low, high = oracle.confidence_interval(0.95)
    assert median_interval(values) == (low, high)


def test_five_values_are_too_few_for_95_percent_and_enough_for_90() -> None:
    assert median_interval([1, 2, 3, 4, 5]) is None
    assert median_interval([5, 1, 4, 2, 3], 0.9) == (1, 5)
    assert median_interval([]) is None


def coverage(groups: int, each: int, share: float, spread: float) -> float:
    """Return how often the interval of a quantile of N(0, 1 + spread^2) holds it, values of a group moving together."""
    rng = np.random.default_rng(0)
    truth = stats.norm.ppf(share) * (1 + spread**2) ** 0.5
    held = []
    for _ in range(DRAWS // 2):
        low, high = quantile_interval(rng.normal(size=(groups, each)) + spread * rng.normal(size=(groups, 1)), share)  # type: ignore[arg-type]
        held.append((low is None or low <= truth) and (high is None or truth <= high))
    return float(np.mean(held))


@pytest.mark.parametrize(
    ("share", "each", "spread", "least"),
    [(0.9, 10, 0.0, 0.93), (0.9, 10, 1.0, 0.93), (0.99, 50, 0.0, 0.93), (0.99, 50, 1.0, 0.85)],
)
def test_a_quantiles_interval_holds_it_also_where_values_of_a_group_move_together(
    share: float, each: int, spread: float, least: float
) -> None:
    assert coverage(20, each, share, spread) >= least


def test_an_end_beyond_all_values_is_not_given() -> None:
    low, high = quantile_interval([[float(i) for i in range(10)]] * 10, 0.99)
    assert (low, high) == (9, None)


def test_one_group_has_no_spread() -> None:
    with pytest.raises(ValueError, match="1 groups"):
        quantile_interval([[1.0, 2.0]], 0.5)
