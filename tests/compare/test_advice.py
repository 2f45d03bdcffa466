"""A contender's fit over its seeds, the gap between splits, and what is advised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from xzoo.compare import advice
from xzoo.compare.fit import LEARNING, OVERFITTING, SETTLED, SHORT, UNCLEAR
from xzoo.compare.gap import gaps
from xzoo.compare.probabilities import Answers
from xzoo.runs.result import CellResult


def fit(
    change: float, *, images: float = 0.001, epochs: float = 0.001, accuracy: float = -0.05, rise: float = 0.0
) -> dict[str, Any]:
    half = 1.96 * 19 * float(np.hypot(images, epochs))
    return {
        "change": {"value": change, "low": change - half, "high": change + half, "n": 20},
        "rise": {"value": rise, "low": rise - 0.01, "high": rise + 0.01, "n": 400},
        "error": {"images": images, "epochs": epochs},
        "best_loss_epoch": 9,
        "accuracy_change": accuracy,
        "verdict": "",
    }


def cells(*fits: dict[str, Any]) -> list[CellResult]:
    words = {"contender": "net frozen", "backbone": "net", "weights": "random", "freeze": "frozen", "status": "done"}
    return [
        CellResult(**words, id=f"x-{seed}", seed=seed, fit=found, epochs=50, best_epoch=7)  # type: ignore[arg-type]
        for seed, found in enumerate(fits)
    ]


def test_seeds_that_agree_say_it_more_surely_and_seeds_that_differ_say_nothing() -> None:
    alone, agree, differ = (
        advice.fit_of(cells(*[fit(value) for value in values]), 2) for values in ([0.1], [0.1, 0.11, 0.09], [0.4, -0.2, 0.1])
    )
    assert (alone["verdict"], agree["verdict"], differ["verdict"]) == (OVERFITTING, OVERFITTING, UNCLEAR)
    assert agree["change"]["value"] == pytest.approx(0.1)
    assert differ["change"]["low"] < -0.5
    assert (alone["seeds"], agree["seeds"]) == (1, 3)


def test_images_that_all_seeds_share_are_not_counted_three_times() -> None:
    one, three = (advice.fit_of(cells(*[fit(0.1, images=0.002, epochs=1e-9)] * count), 2)["change"] for count in (1, 3))
    assert three["high"] - three["low"] == pytest.approx(one["high"] - one["low"], rel=0.01)


def test_a_rest_and_too_few_epochs_have_their_words() -> None:
    assert advice.fit_of(cells(fit(0.0, images=1e-4, epochs=1e-4), fit(0.0, images=1e-4, epochs=1e-4)), 2)["verdict"] == SETTLED
    assert advice.fit_of(cells({"change": None, "verdict": SHORT}), 2)["verdict"] == SHORT
    assert advice.of_run(cells({"change": None, "verdict": SHORT}), 2) == []


def test_advice_follows_the_verdict() -> None:
    [long] = advice.of_run(cells(fit(0.2)), 2)
    assert (long.id, long.severity) == ("overfitting", "warning")
    assert "rose by 0.200" in long.text
    assert "accuracy falls with it" in long.text
    assert "train for about 10 epochs" in long.remedy
    assert "about epoch 8" in long.remedy
    [sure] = advice.of_run(cells(fit(0.2, accuracy=0.0)), 2)
    assert "too sure" in sure.text
    [flat] = advice.of_run(cells(fit(0.0, rise=0.3)), 2)
    assert "rose by 0.300 (0.290 to 0.310) nats since its lowest" in flat.text
    [short] = advice.of_run(cells(fit(-0.2)), 2)
    assert (short.id, short.severity) == ("still-learning", "info")
    assert "--epochs 100" in short.remedy
    assert advice.of_run(cells(fit(0.0)), 2) == []
    assert advice.fit_of(cells(fit(-0.2)), 2)["verdict"] == LEARNING


def answers(num_right: int, n: int, seed: int = 0, sure: float = 0.9, groups: Any = None) -> Answers:
    rng = np.random.default_rng(seed)
    labels_N = rng.integers(0, 2, n)
    said_N = np.where(np.arange(n) < num_right, labels_N, 1 - labels_N)
    chances_N = np.clip(sure + 0.05 * rng.random(n), 0, 1)
    rows = np.column_stack([1 - chances_N, chances_N])
    return Answers(np.where(said_N[:, None] == 1, rows, rows[:, ::-1]), labels_N, groups)


def test_gaps_agree_with_statsmodels() -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n, m = int(rng.integers(5, 300)), int(rng.integers(5, 300))
        train, val = answers(int(rng.integers(0, n + 1)), n, seed), answers(int(rng.integers(0, m + 1)), m, seed + 1)
        found = gaps(train, val)
        right = [int((one.chances_NK.argmax(1) == one.labels_N).sum()) for one in (train, val)]
        low, high = confint_proportions_2indep(right[0], n, right[1], m, compare="diff", method="newcomb")
        told = found["accuracy_gap"]
        assert (told["value"], told["low"], told["high"]) == pytest.approx((right[0] / n - right[1] / m, low, high), abs=1e-9)
        losses = [-np.log(one.chances_NK[np.arange(len(one.labels_N)), one.labels_N]) for one in (val, train)]
        welch = CompareMeans(*map(DescrStatsW, losses)).tconfint_diff(usevar="unequal")
        assert (found["loss_gap"]["low"], found["loss_gap"]["high"]) == pytest.approx(welch, abs=1e-9)


def test_patients_widen_the_gap_and_an_empty_split_has_none() -> None:
    images = [answers(570, 600), answers(180, 240)]
    patients = [Answers(one.chances_NK, one.labels_N, np.arange(len(one.labels_N)) // 12) for one in images]
    alone, together = gaps(images[0], images[1]), gaps(patients[0], patients[1])
    for name in ("accuracy_gap", "loss_gap"):
        assert together[name]["value"] == pytest.approx(alone[name]["value"])
        assert together[name]["high"] - together[name]["low"] > 1.5 * (alone[name]["high"] - alone[name]["low"])
    assert gaps(images[0], answers(0, 0)) == {"accuracy_gap": None, "loss_gap": None}
