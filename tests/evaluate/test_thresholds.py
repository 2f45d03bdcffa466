"""Thresholds against trying every one of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as oracle

from xzoo.errors import UsageError
from xzoo.evaluate.thresholds import RULES, Rule, Scores, at, choose, operating_points

Floats = NDArray[np.float64]


def drawn(seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 80))
    ill_N = rng.random(n) < rng.uniform(0.05, 0.95)
    said_N = 1 / (1 + np.exp(-rng.normal(rng.uniform(-0.5, 3) * ill_N + rng.normal(), 1)))
    said_N = said_N.round(1) if seed % 3 == 0 else said_N
    return (np.where(ill_N, 1.0, 0.0) if seed % 50 == 1 else said_N), ill_N


def rates(said_N: Floats, ill_N: NDArray[np.bool_], threshold: float) -> tuple[float, float]:
    called_N = said_N >= threshold
    return float(called_N[ill_N].mean()), float((~called_N[~ill_N]).mean())


def all_rates(said_N: Floats, ill_N: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return sensitivity and specificity at every probability taken as the threshold, and above all of them."""
    called_TN = said_N >= np.r_[np.unique(said_N), 2.0][:, None]
    return called_TN[:, ill_N].mean(1), (~called_TN[:, ~ill_N]).mean(1)


def test_youdens_threshold_is_the_best_of_all_in_a_thousand_cases() -> None:
    compared = 0
    for seed in range(1200):
        said_N, ill_N = drawn(seed)
        if ill_N.all() or not ill_N.any():
            assert choose(said_N, ill_N, Rule())[0] is None
            continue
        best = float(np.add(*all_rates(said_N, ill_N)).max()) - 1
        threshold, reason = choose(said_N, ill_N, Rule())
        if threshold is None:
            assert best <= 1e-12 or len(set(said_N.tolist())) == 1, reason
            continue
        assert abs(sum(rates(said_N, ill_N, threshold)) - 1 - best) < 1e-12, seed
        if seed % 10 == 0:
            false, true, _ = oracle.roc_curve(ill_N, said_N)
            assert abs(best - (true - false).max()) < 1e-12
        compared += 1
    assert compared >= 1000


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 1.0])
def test_a_target_sensitivity_is_reached_at_the_greatest_specificity(target: float) -> None:
    for seed in range(400):
        said_N, ill_N = drawn(seed)
        threshold, _ = choose(said_N, ill_N, Rule(target))
        if threshold is None:
            continue
        sensitivity, specificity = rates(said_N, ill_N, threshold)
        sensitivity_T, specificity_T = all_rates(said_N, ill_N)
        assert sensitivity >= target - 1e-12, seed
        assert abs(specificity - specificity_T[sensitivity_T >= target - 1e-12].max()) < 1e-12, seed


def test_of_equally_good_thresholds_the_one_nearest_to_half_is_taken() -> None:
    ill_N = np.array([False, False, True, True])
    assert choose(np.array([0.1, 0.2, 0.9, 0.95]), ill_N, Rule())[0] == 0.5
    assert choose(np.array([0.1, 0.2, 0.3, 0.4]), ill_N, Rule())[0] == 0.25
    assert choose(np.array([0.6, 0.7, 0.8, 0.9]), ill_N, Rule())[0] == pytest.approx(0.75)


def test_neighbouring_floats_are_told_apart() -> None:
    low = 0.3
    high = np.nextafter(low, 1)
    threshold, _ = choose(np.array([low, low, high, high]), np.array([False, False, True, True]), Rule())
    assert threshold == high


@pytest.mark.parametrize(
    ("said", "ill", "why"),
    [
        ([0.1, 0.9], [1, 1], "one class"),
        ([0.4, 0.4, 0.4], [0, 1, 0], "same probability"),
        ([0.9, 0.1], [0, 1], "better than guessing"),
    ],
)
def test_where_no_threshold_can_be_chosen_the_reason_is_told(said: list[float], ill: list[int], why: str) -> None:
    scores = Scores(np.array(said), np.array(ill, bool), np.array(said) > 0.5)
    point = operating_points(scores, scores, "ill")[0]
    assert point.threshold is None
    assert why in point.reason
    assert point.val is None
    assert point.at_argmax is not None


def test_what_a_threshold_does_is_counted_on_test_and_chosen_on_validation_alone() -> None:
    rng = np.random.default_rng(0)
    ill_N = rng.random(400) < 0.5
    odds_N = rng.normal(np.where(ill_N, 1.5, -1.5), 1.0)
    chances_NK = [np.column_stack([1 - p, p]) for p in (1 / (1 + np.exp(-odds_N + shift)) for shift in (2.0, 2.0, -2.0))]
    val, test, other = (Scores.of(each, ill_N.astype(int), 1) for each in chances_NK)
    [youden, target] = operating_points(val, test, "ill")
    assert (youden.rule, target.rule, youden.of, youden.n) == ("youden", "sensitivity 0.95", "ill", 400)
    assert (
        youden.threshold == operating_points(val, other, "ill")[0].threshold != operating_points(other, val, "ill")[0].threshold
    )
    assert youden.test is not None
    assert youden.at_argmax is not None
    called_N = chances_NK[1][:, 1] >= (youden.threshold or 0)
    assert youden.test.accuracy.value == (called_N == ill_N).mean() > youden.at_argmax.accuracy.value + 0.1
    assert youden.test.sensitivity is not None
    assert youden.test.sensitivity.value == oracle.recall_score(ill_N, called_N)
    assert youden.test.sensitivity.n == ill_N.sum()
    assert youden.at_argmax.accuracy.value == (chances_NK[1].argmax(1) == ill_N).mean()


def test_argmax_is_the_answer_also_where_half_ties() -> None:
    scores = Scores.of(np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1]), 1)
    point = operating_points(scores, scores, "ill")[0]
    assert point.at_argmax is not None
    assert point.at_argmax.accuracy.value == 1.0


def test_patients_widen_what_a_threshold_does() -> None:
    rng = np.random.default_rng(0)
    said_N, ill_N = np.repeat(rng.random(40), 10), np.repeat(rng.random(40) < 0.5, 10)
    alone, together = (at(Scores(said_N, ill_N, ill_N, groups_N), 0.5) for groups_N in (None, np.repeat(np.arange(40), 10)))
    assert alone is not None
    assert together is not None
    widths = [(one.accuracy.high or 0) - (one.accuracy.low or 0) for one in (alone, together)]
    assert widths[1] > 1.5 * widths[0]


def test_an_empty_split_has_no_figures() -> None:
    none_N = np.zeros(0)
    empty = Scores(none_N, none_N.astype(bool), none_N.astype(bool))
    full = Scores(np.array([0.2, 0.7]), np.array([False, True]), np.array([False, True]))
    point = operating_points(full, empty, "ill")[0]
    assert (point.threshold, point.test, point.at_argmax) == (0.5, None, None)
    assert len(operating_points(empty, full, "ill")) == len(RULES)


@pytest.mark.parametrize("target", [0.0, -1.0, 1.1])
def test_a_sensitivity_that_is_none_is_refused(target: float) -> None:
    with pytest.raises(UsageError, match="cannot be aimed at"):
        Rule(target)
