from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from xzoo.statistics.intervals import mean_of_shares, wilson


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_statsmodels(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert wilson(successes, n, level) == pytest.approx((max(low, 0), min(high, 1)), abs=1e-9)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_a_share(counts: tuple[int, int]) -> None:
    successes, n = counts
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert low < high


def test_all_right_is_not_certainty() -> None:
    assert wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="out of"):
        wilson(successes, n)


def test_balanced_accuracy_of_no_error_is_not_certainty() -> None:
    low, high = mean_of_shares([(20, 20), (5, 5)])
    assert high == 1
    assert wilson(5, 5)[0] < low < wilson(25, 25)[0]
    assert mean_of_shares([(7, 9)]) == pytest.approx(wilson(7, 9))


@pytest.mark.parametrize("counts", [[], [(1, 0)], [(3, 2), (1, 1)]])
def test_shares_of_nothing_have_no_mean(counts: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"no shares|out of"):
        mean_of_shares(counts)
