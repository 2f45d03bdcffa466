"""The gate's decision on simulated turns whose truth is known, against probabilities computed another way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from xzoo.conformance.pairing.decision import (
    ALLOWED,
    Ratio,
    Turn,
    as_json,
    error_of,
    exit_code,
    judge,
    ratio_of,
    turns_until_clear,
)

PAIRS, DEVIATION, TRIALS = 5, 0.012, 4000
LIMIT = math.log(1 + ALLOWED)


def drawn(rng: np.random.Generator, truth: float, deviation: float = DEVIATION) -> Turn:
    """Draw a turn: base, head and control instances, each with an effect of its own, so that pairs deviate by `deviation`."""
    base, head, control = rng.normal(0, deviation / math.sqrt(2), (3, PAIRS))
    return Turn(ratio_of(head + math.log(truth) - base), ratio_of(control - base))


def share(truth: float, word: str, deviation: float = DEVIATION) -> float:
    """Return how often the verdict is this word."""
    rng = np.random.default_rng(0)
    verdicts = [judge(turns_until_clear(lambda _: drawn(rng, truth, deviation))) for _ in range(TRIALS)]
    return verdicts.count(word) / TRIALS


def turn_says_slower(truth: float, deviation: float = DEVIATION) -> float:
    """Return the power of a one-sided t test of the mean log ratio against the limit, by the noncentral t distribution."""
    shift = (math.log(truth) - LIMIT) / (deviation / math.sqrt(PAIRS))
    return float(stats.nct.sf(stats.t.ppf(0.95, PAIRS - 1), PAIRS - 1, shift))


def margin(probability: float) -> float:
    """Return four standard errors of a simulated share."""
    return 4 * math.sqrt(max(probability * (1 - probability), 1 / TRIALS) / TRIALS)


def test_the_interval_is_scipys() -> None:
    sample = np.random.default_rng(1).normal(0.03, 0.02, 7)
    found = ratio_of(sample.tolist())
    oracle: Any = stats.ttest_1samp(sample, 0.0)
    assert (found.low, found.high) == pytest.approx(np.exp(oracle.confidence_interval(0.95)))
    assert found.bound == pytest.approx(
        np.exp(stats.ttest_1samp(sample, 0.0, alternative="greater").confidence_interval(0.95).low)
    )
    assert found.value == pytest.approx(stats.gmean(np.exp(sample)))


def test_one_pair_has_no_interval() -> None:
    with pytest.raises(ValueError, match="1 pairs"):
        ratio_of([0.1])


@pytest.mark.parametrize("truth", [1.05, 1.04, 1.03])
def test_power_is_that_of_two_t_tests(truth: float) -> None:
    wanted = turn_says_slower(truth) ** 2
    assert share(truth, "slower") == pytest.approx(wanted, abs=margin(wanted) + 0.01)  # the control stops a few


def test_five_percent_are_caught_at_the_spread_that_was_measured() -> None:
    assert turn_says_slower(1.05, 0.01) ** 2 > 0.95
    assert share(1.05, "slower", 0.01) > 0.95


def test_a_slow_down_at_the_limit_is_called_one_as_often_as_two_tests_at_five_percent_agree() -> None:
    assert share(1 + ALLOWED, "slower") == pytest.approx(0.05**2, abs=margin(0.05**2))


def test_identical_code_never_fails() -> None:
    assert share(1.0, "slower", 0.03) < 0.005
    assert share(1.0, "slower") == 0


def test_inconclusive_is_as_frequent_as_a_control_that_is_off() -> None:
    deviation = 0.03
    error = deviation / math.sqrt(PAIRS)
    wanted = float(stats.norm.sf(LIMIT / error) + stats.norm.cdf(-LIMIT / error))
    assert share(1.0, "inconclusive", deviation) == pytest.approx(wanted, abs=margin(wanted))


def exactly(ratio: float, bound: float, control: float = 1.0) -> Turn:
    return Turn(Ratio(ratio, bound, ratio, bound, 0.01, 5), Ratio(control, control, control, control, 0.01, 5))


SLOWER, SAME = exactly(1.05, 1.03), exactly(1.0, 0.99)
UNSOUND, UNSOUND_THE_OTHER_WAY = exactly(1.05, 1.03, control=1.03), exactly(1.05, 1.03, control=0.97)


@pytest.mark.parametrize(
    ("turns", "verdict"),
    [
        ([SLOWER, SLOWER], "slower"),
        ([SLOWER, SAME], "not slower"),
        ([SLOWER], "not slower"),
        ([SAME], "not slower"),
        ([exactly(1.05, 1.019), SLOWER], "not slower"),
        ([UNSOUND], "inconclusive"),
        ([UNSOUND_THE_OTHER_WAY], "inconclusive"),
        ([SLOWER, UNSOUND], "inconclusive"),
    ],
)
def test_two_sound_turns_make_a_slow_down(turns: Sequence[Turn], verdict: str) -> None:
    assert judge(turns) == verdict


@pytest.mark.parametrize(("turns", "measured"), [([SLOWER, SAME], 2), ([SAME, SLOWER], 1), ([UNSOUND, SLOWER], 1)])
def test_a_second_turn_is_measured_only_where_the_first_found_a_slow_down(turns: Sequence[Turn], measured: int) -> None:
    assert turns_until_clear(lambda number: turns[number]) == turns[:measured]


def test_an_error_counts_alike_in_both_directions() -> None:
    assert error_of(exactly(1, 1, 1.03).control) == pytest.approx(0.03)
    assert error_of(exactly(1, 1, 1 / 1.03).control) == pytest.approx(0.03)


def test_the_json_holds_the_verdict_and_what_it_rests_on() -> None:
    found = as_json("inference", [SLOWER, SLOWER])
    assert found["verdict"] == "slower"
    assert [turn["ratio"]["bound"] for turn in found["turns"]] == [1.03, 1.03]
    assert found["turns"][0]["control_error"] == 0


@pytest.mark.parametrize(("verdicts", "code"), [(["not slower", "inconclusive"], 0), (["not slower", "slower"], 1), ([], 0)])
def test_only_a_slow_down_fails(verdicts: list[str], code: int) -> None:
    assert exit_code(verdicts) == code
