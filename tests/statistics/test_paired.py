from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from xzoo.statistics.paired import holm, mcnemar_clustered, mcnemar_exact, newcombe_paired_difference


def outcomes(both: int, only_a: int, only_b: int, neither: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    counts = (both, only_a, only_b, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_agrees_with_statsmodels(only_a: int, only_b: int) -> None:
    oracle = mcnemar([[5, only_a], [only_b, 7]], exact=True).pvalue if only_a + only_b else 1.0
    assert mcnemar_exact(only_a, only_b) == pytest.approx(min(1.0, oracle), rel=1e-9)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="-1"):
        mcnemar_exact(-1, 3)


@pytest.mark.parametrize(
    "ps", [[0.03], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.9], [0.0, 1.0, 0.02, 0.02], np.linspace(0.2, 1e-4, 12)]
)
def test_holm_agrees_with_statsmodels(ps: list[float]) -> None:
    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1].tolist(), abs=1e-12)


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]) == []


@given(
    st.tuples(*[st.integers(0, 60)] * 4).filter(lambda counts: sum(counts) > 0 and counts[0] * counts[3] < counts[1] * counts[2])
)
def test_newcombe_agrees_with_its_formula_on_library_parts(counts: tuple[int, int, int, int]) -> None:
    """Where the outcomes correlate negatively there is no correction, so numpy's correlation is Newcombe's phi."""
    a, b = outcomes(*counts)
    shares, n = (a.mean(), b.mean()), len(a)
    low_a, high_a = proportion_confint(a.sum(), n, method="wilson")
    low_b, high_b = proportion_confint(b.sum(), n, method="wilson")
    phi = np.corrcoef(a, b)[0, 1]
    below, above = (shares[0] - low_a, high_b - shares[1]), (high_a - shares[0], shares[1] - low_b)
    ends = [math.sqrt(u * u - 2 * phi * u * v + v * v) for u, v in (below, above)]
    difference = shares[0] - shares[1]
    found = newcombe_paired_difference(a, b)
    assert found == pytest.approx((difference, difference - ends[0], difference + ends[1]), abs=1e-9)


def test_without_correlation_newcombe_is_that_of_independent_shares() -> None:
    a, b = outcomes(40, 40, 10, 10)
    low, high = confint_proportions_2indep(80, 100, 50, 100, method="newcomb", compare="diff")
    assert newcombe_paired_difference(a, b)[1:] == pytest.approx((low, high), abs=1e-9)


def test_newcombe_moves_a_positive_correlation_towards_0_by_half_an_image() -> None:
    """20, 5, 3 and 12 of 40 images: (20 * 12 - 5 * 3 - 40 / 2) / sqrt(25 * 15 * 23 * 17) is the corrected phi."""
    low_a, high_b = proportion_confint(25, 40, method="wilson")[0], proportion_confint(23, 40, method="wilson")[1]
    phi, u, v = 205 / math.sqrt(146625), 0.625 - low_a, high_b - 0.575
    found = newcombe_paired_difference(*outcomes(20, 5, 3, 12))
    assert found[1] == pytest.approx(0.05 - math.sqrt(u * u - 2 * phi * u * v + v * v), abs=1e-9)


def test_a_correlation_smaller_than_its_correction_counts_as_none() -> None:
    low, high = confint_proportions_2indep(19, 38, 19, 38, method="newcomb", compare="diff")
    assert newcombe_paired_difference(*outcomes(11, 8, 8, 11))[1:] != pytest.approx((low, high), abs=1e-9)
    assert newcombe_paired_difference(*outcomes(10, 9, 9, 10))[1:] == pytest.approx((low, high), abs=1e-9)


def test_newcombe_holds_the_true_difference_in_about_95_of_100_draws() -> None:
    """Exact coverage over all outcomes of 30 images: both right 0.5, A alone 0.25, B alone 0.1, neither 0.15."""
    n, chances, covered = 30, (0.5, 0.25, 0.1, 0.15), 0.0
    for both, only_a, only_b in itertools.product(range(n + 1), repeat=3):
        counts = (both, only_a, only_b, n - both - only_a - only_b)
        if counts[3] < 0:
            continue
        logs = [count * math.log(chance) - math.lgamma(count + 1) for count, chance in zip(counts, chances, strict=True)]
        weight = math.exp(math.lgamma(n + 1) + sum(logs))
        if weight > 1e-7:
            _, low, high = newcombe_paired_difference(*outcomes(*counts))
            covered += weight * (low <= 0.15 <= high)
    assert 0.93 < covered < 0.98


def test_newcombe_turns_its_sign_with_the_order() -> None:
    a, b = outcomes(30, 12, 5, 3)
    difference, low, high = newcombe_paired_difference(a, b)
    assert newcombe_paired_difference(b, a) == pytest.approx((-difference, -high, -low))


def test_equal_outcomes_still_have_an_interval() -> None:
    always = np.ones(50, bool)
    difference, low, high = newcombe_paired_difference(always, always)
    assert difference == 0
    assert low < 0 < high


def test_outcomes_of_different_images_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes"):
        newcombe_paired_difference(np.ones(3), np.ones(4))


def test_the_clustered_test_is_the_exact_one_where_every_patient_has_one_image() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b = rng.random(50) < 0.9, rng.random(50) < 0.7
        oracle = mcnemar_exact(int((a & ~b).sum()), int((b & ~a).sum()))
        assert mcnemar_clustered(a, b, rng.permutation(50)) == pytest.approx(oracle, abs=1e-9)


def test_copies_of_an_image_add_nothing() -> None:
    a, b = outcomes(20, 9, 2, 5)
    alone = mcnemar_exact(9, 2)
    assert mcnemar_clustered(np.repeat(a, 4), np.repeat(b, 4), np.repeat(np.arange(36), 4)) == pytest.approx(alone)
    assert mcnemar_exact(36, 8) < alone / 100


def test_patients_of_which_none_differs_decide_nothing() -> None:
    same = np.ones(6, bool)
    assert mcnemar_clustered(same, same, np.arange(6)) == 1
    assert mcnemar_clustered(*outcomes(0, 1, 1, 0), np.zeros(2)) == 1
    with pytest.raises(ValueError, match="in groups of shape"):
        mcnemar_clustered(same, same, np.arange(5))
