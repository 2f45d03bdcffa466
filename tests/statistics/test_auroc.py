from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from xzoo.statistics.auroc import auroc_interval, delong_difference, influences, newcombe

# 41 patients with a poor outcome, then 72 with a good one, after an aneurysmal subarachnoid haemorrhage: the WFNS score and the
# ranks of the biomarker S100b (Turck et al. 2010, https://doi.org/10.1007/s00134-009-1641-y), as the data set aSAH of the R
# package pROC has them. Ranks where the data has concentrations: the curve knows nothing else.
WFNS = "32455552521254425552525245441442255225555111151221221112121134141551124112212122111121211324214115422111312244111"
S100B = """
8 5 11 7 25 30 28 2 19 4 2 23 21 27 30 15 30 30 30 2 30 17 0 4 13 30 15 30 3 15 8 5 6 13 30 9 30 18 30 30 25 8 9 5 1 26 12 5 5
1 3 1 4 6 2 12 2 6 8 12 1 11 9 20 4 29 26 11 2 24 26 6 3 4 3 1 8 5 9 10 1 1 4 1 4 3 11 4 3 19 6 16 2 5 18 2 1 14 22 5 10 3 9 5
2 1 12 10 26 12 10 29 27"""
WFNS_N, S100B_N = np.array([int(digit) for digit in WFNS]), np.array([int(rank) for rank in S100B.split()])
POOR_N = np.arange(113) < 41


def test_the_published_example_of_proc_comes_out() -> None:
    """roc.test(wfns, s100b): Z 2.20898359144091, p 0.0271757822291882, interval 0.0104061769564846 to 0.174214419249478.

    From tests/testthat/test-roc.test.R of https://github.com/xrobin/pROC; areas from helper-deLongPlacementsCpp-expected.R.
    """
    assert influences(WFNS_N, POOR_N)[0] == pytest.approx(0.823678861788618, abs=1e-12)
    assert influences(S100B_N, POOR_N)[0] == pytest.approx(0.731368563685637, abs=1e-12)
    difference, variance = delong_difference(WFNS_N, S100B_N, POOR_N)
    z, reach = difference / math.sqrt(variance), stats.norm.ppf(0.975) * math.sqrt(variance)
    assert z == pytest.approx(2.20898359144091, abs=1e-9)
    assert 2 * stats.norm.sf(z) == pytest.approx(0.0271757822291882, abs=1e-9)
    assert (difference - reach, difference + reach) == pytest.approx((0.0104061769564846, 0.174214419249478), abs=1e-9)


def test_the_published_example_of_hanley_and_mcneil_comes_out() -> None:
    """109 CT images read on a scale of five (Hanley and McNeil 1982, https://doi.org/10.1148/radiology.143.1.7063747).

    Stata's manual of roctab has area 0.8932 and DeLong's standard error 0.0307 for them.
    """
    scores_N = np.repeat([1, 2, 3, 4, 5, 1, 2, 3, 4, 5], [33, 6, 6, 11, 2, 3, 2, 2, 11, 33])
    area, influences_N = influences(scores_N, np.arange(109) >= 58)
    assert area == pytest.approx(0.8932, abs=5e-5)
    assert math.sqrt((influences_N**2).sum()) == pytest.approx(0.0307, abs=5e-5)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 50), (50, 1), (5, 5), (200, 200)])
def test_perfect_separation_is_not_certainty(m: int, n: int) -> None:
    area, low, high = auroc_interval(np.arange(m + n), np.arange(m + n) >= n)
    assert (area, high) == (1, 1)
    assert (low, high) == newcombe(1.0, m, n)
    assert 0 < low < 1
    worst, low_of_worst, high_of_worst = auroc_interval(-np.arange(m + n), np.arange(m + n) >= n)
    assert (worst, low_of_worst, high_of_worst) == pytest.approx((0, 0, 1 - low))


def test_one_positive_has_an_interval_and_no_variance() -> None:
    scores_N, positive_N = np.arange(20), np.arange(20) == 15
    area, influences_N = influences(scores_N, positive_N)
    assert area == pytest.approx(15 / 19)
    assert np.isnan(influences_N).all()
    assert auroc_interval(scores_N, positive_N)[1:] == newcombe(area, 1, 19)
    assert math.isnan(delong_difference(scores_N, -scores_N, positive_N)[1])


def test_scores_that_are_all_alike_rank_like_a_coin() -> None:
    area, low, high = auroc_interval(np.zeros(40), np.arange(40) < 20)
    assert area == 0.5
    assert (low, high) == newcombe(0.5, 20, 20)
    assert low < 0.5 < high


@pytest.mark.parametrize("positive", [np.zeros(5, bool), np.ones(5, bool), np.zeros(0, bool), np.ones(4, bool)])
def test_an_empty_class_is_refused(positive: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    with pytest.raises(ValueError, match="positives and"):
        influences(np.arange(5), positive)


def test_images_of_a_patient_count_as_one_where_they_are_copies() -> None:
    rng = np.random.default_rng(0)
    positive_N = np.arange(200) < 80
    scores_N = rng.normal(size=200) + positive_N
    alone = auroc_interval(scores_N, positive_N)
    copies = auroc_interval(np.repeat(scores_N, 3), np.repeat(positive_N, 3), np.repeat(np.arange(200), 3))
    naive = auroc_interval(np.repeat(scores_N, 3), np.repeat(positive_N, 3))
    assert copies == pytest.approx(alone, rel=0.003)
    assert naive[2] - naive[1] < 0.62 * (copies[2] - copies[1])
    assert auroc_interval(scores_N, positive_N, np.arange(200)) == pytest.approx(alone)


def test_the_same_scores_twice_do_not_differ() -> None:
    assert delong_difference(WFNS_N, WFNS_N, POOR_N) == (0, 0)
