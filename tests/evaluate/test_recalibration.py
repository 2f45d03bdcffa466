"""Slope, intercept and temperature against statsmodels and scipy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import optimize, special, stats

from xzoo.evaluate.recalibration import bend, scale, scaled, temperature
from xzoo.evaluate.scores import SMALLEST

Floats = NDArray[np.float64]


def drawn(seed: int) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(12, 150))
    odds_N = rng.normal(rng.normal(), rng.uniform(0.3, 4), n)
    if seed % 3 == 0:
        odds_N = odds_N.round()
    hit_N = rng.random(n) < 1 / (1 + np.exp(-(rng.normal(0, 0.5) + rng.uniform(-0.3, 1.5) * odds_N)))
    said_N = 1 / (1 + np.exp(-odds_N))
    if seed % 7 == 0:
        said_N[:2] = (0.0, 1.0)
    return said_N, hit_N, rng.integers(0, max(3, n // 4), n)


def odds(said_N: Floats) -> Floats:
    clipped_N = np.clip(said_N, SMALLEST, 1 - SMALLEST)
    return np.log(clipped_N / (1 - clipped_N))


def logit(said_N: Floats, hit_N: NDArray[np.bool_], **how: object) -> sm.Logit:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sm.Logit(hit_N.astype(float), sm.add_constant(odds(said_N))).fit(
            disp=0, method="newton", maxiter=300, tol=1e-14, **how
        )


def test_slope_intercept_and_p_agree_with_statsmodels_in_a_thousand_cases() -> None:
    compared = 0
    for seed in range(1200):
        said_N, hit_N, _ = drawn(seed)
        found = bend(said_N, hit_N)
        if found.intercept is None:
            continue
        shifted_N = special.expit(odds(said_N) + found.intercept.value)
        assert abs(float((hit_N - shifted_N).sum())) < 1e-9, "the likelihood has its maximum where its slope is 0"
        if seed % 20 == 0:
            family = sm.families.Binomial()
            alone = sm.GLM(hit_N.astype(float), np.ones(len(hit_N)), family=family, offset=odds(said_N)).fit(tol=1e-14)
            told = (found.intercept.value, found.intercept.low, found.intercept.high)
            assert told == pytest.approx((alone.params[0], *alone.conf_int()[0]), abs=1e-7), seed
        if found.slope is None or abs(found.slope.value) > 20:
            continue
        both = logit(said_N, hit_N)
        low, high = both.conf_int()[1]
        told = (found.slope.value, found.slope.low, found.slope.high)
        assert told == pytest.approx((both.params[1], low, high), rel=1e-7, abs=1e-7), seed
        ratio = 2 * (both.llf - float(special.log_expit(np.where(hit_N, odds(said_N), -odds(said_N))).sum()))
        assert found.p == pytest.approx(stats.chi2.sf(ratio, 2), rel=1e-6, abs=1e-12), seed
        compared += 1
    assert compared >= 1000


def test_patients_count_as_in_statsmodels_sandwich() -> None:
    compared = 0
    for seed in range(200):
        said_N, hit_N, groups_N = drawn(seed)
        found = bend(said_N, hit_N, groups_N)
        if found.slope is None or abs(found.slope.value) > 20:
            continue
        both = logit(said_N, hit_N, cov_type="cluster", cov_kwds={"groups": groups_N})
        reach = stats.t.ppf(0.975, len(np.unique(groups_N)) - 1)
        assert found.slope.high == pytest.approx(both.params[1] + reach * both.bse[1], rel=1e-7, abs=1e-7), seed
        away = both.params - np.array([0.0, 1.0])
        assert found.p == pytest.approx(stats.chi2.sf(away @ np.linalg.solve(both.cov_params(), away), 2), rel=1e-5, abs=1e-12)
        compared += 1
    assert compared >= 150


@pytest.mark.parametrize(
    ("said", "hit", "why"),
    [
        ([0.1, 0.2, 0.8], [0, 0, 1], "separate"),
        ([0.1, 0.2, 0.8], [1, 1, 0], "separate"),
        ([0.1, 0.5, 0.5, 0.8], [0, 0, 1, 1], "separate"),
        ([0.0, 1.0], [0, 1], "separate"),
        ([0.3] * 5, [1, 0, 0, 0, 0], "same probability"),
        ([0.3, 0.6], [1, 1], "one class"),
    ],
)
def test_a_slope_that_is_not_finite_is_none(said: list[float], hit: list[int], why: str) -> None:
    found = bend(np.array(said), np.array(hit, bool))
    assert found.slope is None
    assert found.p is None
    assert why in found.reason


def test_one_positive_and_certain_errors_have_a_finite_slope() -> None:
    one = bend(np.linspace(0.01, 0.99, 60), np.arange(60) == 40)
    wrong = bend(np.r_[0.0, np.linspace(0.1, 0.9, 50), 1.0], np.r_[True, np.arange(50) > 25, False])
    for found in (one, wrong):
        assert found.slope is not None
        assert np.isfinite([found.slope.value, found.slope.low or np.nan, found.slope.high or np.nan]).all()
    assert wrong.certain == 2


def test_calibrated_probabilities_are_rejected_in_a_twentieth_of_cases_and_their_intervals_hold() -> None:
    rng = np.random.default_rng(0)
    rejected, held = [], []
    for _ in range(2000):
        odds_N = rng.normal(0, 1.5, 200)
        found = bend(1 / (1 + np.exp(-odds_N)), rng.random(200) < 1 / (1 + np.exp(-odds_N)))
        assert found.slope is not None
        assert found.p is not None
        rejected.append(found.p < 0.05)
        held.append((found.slope.low or 0) <= 1 <= (found.slope.high or 0))
    assert 0.035 < np.mean(rejected) < 0.065
    assert 0.93 < np.mean(held) < 0.97


def softmax(logits_NK: Floats) -> Floats:
    powers_NK = np.exp(logits_NK - logits_NK.max(1, keepdims=True))
    return np.asarray(powers_NK / powers_NK.sum(1, keepdims=True))


def test_the_temperature_agrees_with_scipys_minimum_in_a_thousand_cases() -> None:
    compared = 0
    for seed in range(1100):
        rng = np.random.default_rng(seed)
        n, k = int(rng.integers(10, 80)), int(rng.integers(2, 5))
        logits_NK = rng.normal(0, rng.uniform(0.5, 4), (n, k))
        labels_N = (rng.random((n, 1)) > softmax(rng.uniform(0.2, 1.5) * logits_NK).cumsum(1)).sum(1)
        chances_NK = softmax(logits_NK)
        found, reason = temperature(chances_NK, labels_N)
        if found is None:
            assert reason
            continue
        best = optimize.minimize_scalar(
            lambda beta, z=logits_NK, y=labels_N: -np.log(softmax(beta * z)[np.arange(len(y)), y]).sum(),
            bounds=(0, 4 / found),
            method="bounded",
            options={"xatol": 1e-12},
        )
        assert 1 / found == pytest.approx(best.x, rel=1e-5), seed
        # A minimum is flat, so that a search by values finds it to half the digits; its slope there is 0 to all of them.
        said_NK = softmax(logits_NK / found)
        slope = (logits_NK[np.arange(n), labels_N] - (said_NK * logits_NK).sum(1)).sum()
        assert slope == pytest.approx(0, abs=1e-9 * n * np.abs(logits_NK).max()), seed
        compared += 1
    assert compared >= 1000


def test_with_two_classes_the_scale_is_the_slope_without_an_intercept() -> None:
    for seed in range(100):
        said_N, hit_N, groups_N = drawn(seed)
        for groups, how in ((None, {}), (groups_N, {"cov_type": "cluster", "cov_kwds": {"groups": groups_N}})):
            found, _, _ = scale(np.column_stack([1 - said_N, said_N]), hit_N.astype(int), groups)
            if found is None or abs(found.value) > 20 or seed % 7 == 0:
                continue
            alone = sm.Logit(hit_N.astype(float), odds(said_N)[:, None]).fit(disp=0, tol=1e-14, maxiter=300, **how)
            reach = stats.norm.ppf(0.975) if groups is None else stats.t.ppf(0.975, len(np.unique(groups)) - 1)
            assert found.high == pytest.approx(alone.params[0] + reach * alone.bse[0], rel=1e-6, abs=1e-7), seed


def test_a_temperature_leaves_answers_and_mends_boldness() -> None:
    rng = np.random.default_rng(0)
    true_NK = softmax(rng.normal(0, 1.5, (4000, 3)))
    labels_N = (rng.random((4000, 1)) > true_NK.cumsum(1)).sum(1)
    bold_NK = softmax(3 * np.log(true_NK))
    found, _ = temperature(bold_NK, labels_N)
    assert found is not None
    assert found == pytest.approx(3, abs=0.2)
    assert (scaled(bold_NK, found).argmax(1) == bold_NK.argmax(1)).all()
    assert scaled(bold_NK, found) == pytest.approx(true_NK, abs=0.05)


@pytest.mark.parametrize(
    ("chances", "labels", "why"),
    [
        ([[0.9, 0.1], [0.2, 0.8]], [0, 1], "no error"),
        ([[0.5, 0.5]] * 3, [0, 1, 1], "as probable"),
        ([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [1, 0, 0], "worse"),
        ([[0.9, 0.1], [0.2, 0.8]], [1, 0], "no finite"),
    ],
)
def test_a_temperature_that_is_not_there_has_a_reason(chances: list[list[float]], labels: list[int], why: str) -> None:
    found, reason = temperature(np.array(chances), np.array(labels))
    assert found is None
    assert why in reason


def test_two_patients_leave_no_p_whatever_rounding_makes_of_them() -> None:
    said_N, hit_N = np.array([0.3, 0.6, 0.7, 0.4, 0.5, 0.2]), np.array([False, True, False, True, True, False])
    two = bend(said_N, hit_N, np.array(["a", "a", "a", "b", "b", "b"]))
    three = bend(said_N, hit_N, np.array(["a", "a", "b", "b", "c", "c"]))
    assert two.slope is not None
    assert (two.p, two.reason) == (None, "")
    assert three.p is not None
