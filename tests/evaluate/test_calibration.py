"""Calibration against scikit-learn, enumeration and its own claims; slopes are in test_recalibration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import calibration as oracle
from sklearn import metrics as scores

from xzoo.evaluate.calibration import (
    calibration,
    count_distribution,
    decomposed,
    equal_masses,
    equal_widths,
    error_of_calibrated,
    expected_error,
    root_mean_square,
)
from xzoo.evaluate.metrics import measure

Case = tuple[NDArray[np.float64], NDArray[np.bool_]]
NAMES = ("normal", "pneumonia")


def drawn(seed: int) -> Case:
    """Return probabilities and what came true: of few or many images, with ties, with certainties, with one class alone."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 120))
    said_N = rng.beta(rng.uniform(0.2, 3), rng.uniform(0.2, 3), n)
    if seed % 3 == 0:
        said_N = said_N.round(1)
    hit_N = rng.random(n) < (said_N if seed % 2 else rng.random())
    return said_N, hit_N if seed % 10 else np.full(n, bool(seed % 20))


def pairs(said_N: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([1 - said_N, said_N])


@pytest.mark.parametrize(("strategy", "binned"), [("uniform", equal_widths), ("quantile", equal_masses)])
def test_bins_agree_with_scikit_learn_in_a_thousand_cases(strategy: str, binned: object) -> None:
    assert callable(binned)
    for seed in range(1000):
        said_N, hit_N = drawn(seed)
        share_B, said_B = oracle.calibration_curve(hit_N, said_N, n_bins=8, strategy=strategy, pos_label=True)
        bins_N = binned(said_N, 8)
        counts_B = np.bincount(bins_N)
        assert np.abs(np.bincount(bins_N, said_N) / counts_B - said_B).max() < 1e-12, seed
        assert np.abs(np.bincount(bins_N, hit_N) / counts_B - share_B).max() < 1e-12, seed
        told = float(counts_B @ np.abs(said_B - share_B)) / len(said_N)
        assert abs(expected_error(said_N, hit_N, bins_N) - told) < 1e-12


def test_the_parts_of_the_brier_score_add_up_in_a_thousand_cases() -> None:
    for seed in range(1000):
        said_N, hit_N = drawn(seed)
        reliability, resolution, uncertainty = decomposed(said_N, hit_N, equal_masses(said_N, 6))
        brier = scores.brier_score_loss(hit_N, said_N, pos_label=True)
        assert reliability - resolution + uncertainty == pytest.approx(brier, abs=1e-12), seed


def test_the_parts_are_murphys_where_a_bin_holds_one_probability() -> None:
    said_N = np.array([0.2] * 5 + [0.8] * 5)
    hit_N = np.array([True, False, False, False, False] + [True] * 3 + [False] * 2)
    assert decomposed(said_N, hit_N, equal_masses(said_N, 2)) == pytest.approx((0.02, 0.04, 0.24))


@pytest.mark.parametrize("chances", [[0.3], [0.0, 1.0, 0.5], [0.1, 0.9, 0.25, 0.5, 0.7, 1e-9]])
def test_sums_of_unlike_coins_agree_with_counting_every_outcome(chances: list[float]) -> None:
    told = np.zeros(len(chances) + 1)
    for outcome in itertools.product([0, 1], repeat=len(chances)):
        told[sum(outcome)] += np.prod([p if hit else 1 - p for p, hit in zip(chances, outcome, strict=True)])
    assert count_distribution(np.array(chances)) == pytest.approx(told, abs=1e-12)


def test_sums_of_many_coins_agree_with_multiplying_them_one_by_one() -> None:
    chances_B = np.random.default_rng(0).random(700)
    told = np.ones(1)
    for chance in chances_B:
        told = np.convolve(told, [1 - chance, chance])
    assert count_distribution(chances_B) == pytest.approx(told, abs=1e-12)


def test_calibrated_probabilities_show_the_error_they_are_said_to_show_and_none_without_its_bias() -> None:
    rng = np.random.default_rng(0)
    said_N = rng.beta(1, 1, 200)
    bins_N = equal_masses(said_N, 10)
    hits = [rng.random(200) < said_N for _ in range(2000)]
    found = np.array([expected_error(said_N, hit_N, bins_N) for hit_N in hits])
    assert found.mean() == pytest.approx(error_of_calibrated(said_N, bins_N), abs=4 * found.std() / np.sqrt(2000))
    assert found.mean() > 0.04
    squares = np.array([_square(said_N, hit_N, bins_N) for hit_N in hits])
    assert abs(squares.mean()) < 4 * squares.std() / np.sqrt(2000)


def test_the_debiased_error_of_wrong_probabilities_is_theirs() -> None:
    rng = np.random.default_rng(1)
    said_N, bins_N = np.full(50, 0.9), np.zeros(50, np.int64)
    squares = np.array([_square(said_N, rng.random(50) < 0.7, bins_N) for _ in range(4000)])
    assert squares.mean() == pytest.approx(0.04, abs=4 * squares.std() / np.sqrt(4000))


def _square(said_N: NDArray[np.float64], hit_N: NDArray[np.bool_], bins_N: NDArray[np.int64]) -> float:
    """Return the mean over pairs of different images of a bin of the product of their errors, pair by pair."""
    errors_N, total = said_N - hit_N, 0.0
    for number in np.unique(bins_N):
        inside = errors_N[bins_N == number]
        products = np.outer(inside, inside)
        total += len(inside) * (products.sum() - np.trace(products)) / (len(inside) * (len(inside) - 1))
    return total / len(errors_N)


def test_the_debiased_error_is_the_mean_product_of_pairs_of_images_and_of_patients() -> None:
    for seed in range(300):
        said_N, hit_N = drawn(seed)
        bins_N = equal_masses(said_N, max(1, len(said_N) // 10))
        if np.bincount(bins_N).min() > 1:
            found = root_mean_square(said_N, hit_N, bins_N)
            assert found == pytest.approx(max(0.0, _square(said_N, hit_N, bins_N)) ** 0.5, abs=1e-7), seed
            twice = root_mean_square(
                np.tile(said_N, 2), np.tile(hit_N, 2), np.tile(bins_N, 2), np.tile(np.arange(len(said_N)), 2)
            )
            assert twice == pytest.approx(found, abs=1e-7), "copies of a patient's image tell nothing new"
    assert root_mean_square(np.array([0.2, 0.8]), np.array([True, False]), np.array([0, 1])) is None


def test_bins_hold_like_counts_and_their_intervals_the_share() -> None:
    said_N, hit_N = np.random.default_rng(0).random(400), np.random.default_rng(1).random(400) < 0.5
    found = calibration(pairs(said_N), hit_N.astype(int), NAMES, "pneumonia")
    assert [one.share.n for one in found.curve] == [40] * 10
    assert found.of == "pneumonia"
    for one in found.curve:
        assert one.low <= one.said <= one.high
        assert one.share.low is not None
        assert one.share.high is not None
        assert one.share.low < one.share.value < one.share.high


def test_patients_widen_the_curve() -> None:
    rng = np.random.default_rng(0)
    said_N = np.repeat(rng.random(50), 8)
    hit_N = np.repeat(rng.random(50) < 0.5, 8)
    alone, together = (
        calibration(pairs(said_N), hit_N.astype(int), NAMES, groups_N=groups_N)
        for groups_N in (None, np.repeat(np.arange(50), 8))
    )
    widths = [[(one.share.high or 0) - (one.share.low or 0) for one in found.curve] for found in (alone, together)]
    assert sum(widths[1]) > 1.5 * sum(widths[0])


@pytest.mark.parametrize(
    ("power", "shift", "verdict"),
    [
        (1.0, 0.0, "no departure found"),
        (2.5, 0.0, "too extreme"),
        (0.4, 0.0, "too timid"),
        (1.0, 1.0, "too high for pneumonia"),
        (1.0, -1.0, "too low for pneumonia"),
        (3.0, 1.5, "too extreme and too high for pneumonia"),
    ],
)
def test_what_is_wrong_with_probabilities_is_said(power: float, shift: float, verdict: str) -> None:
    rng = np.random.default_rng(3)
    odds_N = rng.normal(0, 1.5, 2000)
    hit_N = rng.random(2000) < 1 / (1 + np.exp(-odds_N))
    said_N = 1 / (1 + np.exp(-(power * odds_N + shift)))
    assert calibration(pairs(said_N), hit_N.astype(int), NAMES, "pneumonia").verdict == verdict


def test_several_classes_are_judged_by_their_answers() -> None:
    rng = np.random.default_rng(0)
    logits_NK = rng.normal(0, 2, (3000, 3))
    true_NK = np.exp(logits_NK) / np.exp(logits_NK).sum(1, keepdims=True)
    labels_N = (rng.random((3000, 1)) > true_NK.cumsum(1)).sum(1)
    bold_NK = true_NK**2 / (true_NK**2).sum(1, keepdims=True)
    good, bold = (calibration(chances_NK, labels_N, ("a", "b", "c")) for chances_NK in (true_NK, bold_NK))
    assert (good.verdict, bold.verdict) == ("no departure found", "too extreme")
    assert bold.slope is not None
    assert bold.slope.value == pytest.approx(0.5, abs=0.05)
    assert bold.intercept is None
    assert "of its own" in bold.reasons["intercept"]
    assert (good.of, good.ece < 0.03, bold.ece > 0.05) == ("the answer", True, True)


@pytest.mark.parametrize(
    ("said", "hit", "missing"),
    [
        ([0.2, 0.3, 0.9], [1, 1, 1], {"slope", "p", "intercept"}),
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], {"slope", "p"}),
        ([0.5] * 4, [0, 1, 0, 1], {"slope", "p"}),
        ([0.0, 1.0, 1.0, 0.0], [0, 1, 1, 0], {"slope", "p"}),
        ([0.7], [1], {"slope", "p", "intercept", "rms"}),
    ],
)
def test_what_cannot_be_had_is_none_with_a_reason(said: list[float], hit: list[int], missing: set[str]) -> None:
    found = calibration(pairs(np.array(said)), np.array(hit), NAMES)
    assert {name for name in ("slope", "intercept", "p", "rms") if getattr(found, name) is None} >= missing - {"rms"}
    assert missing <= found.reasons.keys()
    assert found.verdict == "cannot tell"
    assert np.isfinite([found.ece, found.ece_if_calibrated, found.reliability]).all()


def test_a_result_carries_slope_intercept_and_error_or_the_reason() -> None:
    rng = np.random.default_rng(0)
    said_N = rng.random(300)
    hit_N = (rng.random(300) < said_N).astype(int)
    metrics, full = measure(pairs(said_N), hit_N, NAMES, num_resamples=20), calibration(pairs(said_N), hit_N, NAMES)
    assert (metrics.calibration_slope, metrics.calibration_intercept) == (full.slope, full.intercept)
    assert metrics.ece is not None
    assert metrics.ece.value == full.ece
    alone = measure(pairs(said_N), np.ones(300, int), NAMES, num_resamples=20)
    assert alone.calibration_slope is None
    assert "one class" in alone.reasons["calibration_slope"]
