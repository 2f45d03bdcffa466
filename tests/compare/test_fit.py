"""What is read from learning curves, on curves whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xzoo.compare.fit import LEARNING, OVERFITTING, SETTLED, SHORT, UNCLEAR, Watched, judged, read_fit
from xzoo.runs.result import EpochRecord, Measure

Floats = NDArray[np.float64]


def curves(loss: Callable[[int], float | None], num_epochs: int = 50) -> list[EpochRecord]:
    return [
        EpochRecord(
            epoch=epoch,
            learning_rate=1e-3,
            train_loss=0.1,
            train_accuracy=0.9,
            val_loss=loss(epoch),
            val_accuracy=0.8 if epoch == 7 else 0.7,
        )
        for epoch in range(num_epochs)
    ]


def wobble(epoch: int) -> float:
    return 0.003 * float(np.random.default_rng(epoch).normal())


def watched(
    level: Callable[[Floats], Floats],
    *,
    num_images: int = 400,
    num_epochs: int = 50,
    own: float = 0.3,
    jitter: float = 0.0,
    luck: float = 0.0,
    seed: int = 0,
) -> Watched:
    """Return images whose losses follow a common curve, each with a level and a slope of its own, and epochs that jitter."""
    rng = np.random.default_rng(seed)
    epochs_E = np.arange(num_epochs, dtype=float)
    common_E = level(epochs_E) + jitter * rng.normal(size=num_epochs)
    slopes_N = own / num_epochs * rng.normal(size=num_images)
    chance_EN = luck * rng.normal(size=(num_epochs, num_images))
    return Watched(common_E[:, None] + rng.gamma(1, 0.1, num_images) + slopes_N * epochs_E[:, None] + chance_EN)


def read(seen: Watched) -> Mapping[str, Any]:
    means = seen.losses_EN.mean(1)
    return read_fit(curves(lambda epoch: float(means[epoch]), len(means)), seen)


def test_fifty_epochs_are_read_from_the_31st() -> None:
    found = read_fit(curves(lambda epoch: 5.0 if epoch < 30 else 0.3 + 0.01 * epoch))
    assert found["val_loss_slope"]["n"] == 20
    assert found["val_loss_slope"]["value"] == pytest.approx(0.01)
    assert found["change"]["value"] == pytest.approx(0.19)


@pytest.mark.parametrize(("rise", "verdict"), [(0.01, OVERFITTING), (-0.01, LEARNING), (0.0, SETTLED)])
def test_the_verdict_follows_the_change_and_its_interval(rise: float, verdict: str) -> None:
    assert read_fit(curves(lambda epoch: 1 + rise * epoch + wobble(epoch)))["verdict"] == verdict


def test_a_change_that_is_sure_and_small_is_none() -> None:
    assert read_fit(curves(lambda epoch: 1 + 0.0005 * epoch))["verdict"] == SETTLED


@pytest.mark.parametrize(
    ("change", "rise", "verdict"),
    [
        ((0.1, 0.05, 0.15), None, OVERFITTING),
        ((0.1, -0.01, 0.2), None, UNCLEAR),
        ((-0.1, -0.2, -0.05), None, LEARNING),
        ((-0.1, -0.2, 0.01), None, UNCLEAR),
        ((0.0, -0.01, 0.01), None, SETTLED),
        ((0.01, 0.005, 0.015), None, SETTLED),
        ((0.0, -0.01, 0.01), (0.2, 0.1, 0.3), OVERFITTING),
        ((0.0, -0.01, 0.01), (0.2, -0.1, 0.5), SETTLED),
        ((0.0, -0.01, 0.01), (0.01, 0.005, 0.015), SETTLED),
    ],
)
def test_what_each_verdict_rests_on(
    change: tuple[float, float, float], rise: tuple[float, float, float] | None, verdict: str
) -> None:
    assert judged(Measure(*change, 20), None if rise is None else Measure(*rise, 400), 2) == verdict


def test_a_rise_that_only_few_images_tell_of_cannot_be_told() -> None:
    many, few = (read(watched(lambda e: 0.002 * e, num_images=n, own=1.0)) for n in (2000, 16))
    assert (many["verdict"], few["verdict"]) == (OVERFITTING, UNCLEAR)
    assert few["error"]["images"] > 5 * many["error"]["images"]


def test_the_images_part_of_the_error_is_that_of_drawing_other_images() -> None:
    found = [read(watched(lambda e: 0.001 * e, num_images=100, own=1.0, seed=seed)) for seed in range(300)]
    slopes = [one["val_loss_slope"]["value"] for one in found]
    assert np.std(slopes) == pytest.approx(np.mean([one["error"]["images"] for one in found]), rel=0.15)
    held = [one["val_loss_slope"]["low"] <= 0.001 <= one["val_loss_slope"]["high"] for one in found]
    assert np.mean(held) > 0.91


def test_patients_with_many_images_tell_less() -> None:
    seen = watched(lambda e: 0.002 * e, num_images=60, own=1.0)
    copies = Watched(np.repeat(seen.losses_EN, 8, axis=1))
    known = Watched(copies.losses_EN, np.repeat(np.arange(60), 8))
    assert read(known)["error"]["images"] == pytest.approx(read(seen)["error"]["images"])
    assert read(copies)["error"]["images"] < 0.5 * read(known)["error"]["images"]
    assert read(known)["rise"]["high"] - read(known)["rise"]["low"] > read(copies)["rise"]["high"] - read(copies)["rise"]["low"]


def test_a_loss_that_rose_early_and_then_rests_is_overfitting_though_its_end_is_flat() -> None:
    found = read(watched(lambda e: np.where(e < 5, 0.5 - 0.1 * e, np.minimum(0.02 * (e - 5), 0.3))))
    assert abs(found["change"]["value"]) < 0.02
    assert found["rise"]["value"] == pytest.approx(0.26, abs=0.05)
    assert found["verdict"] == OVERFITTING


@pytest.mark.parametrize("jitter", [0.0, 0.01, 0.05])
def test_curves_that_rest_are_called_overfitting_in_a_twentieth_of_cases_at_most(jitter: float) -> None:
    verdicts = [
        read(watched(lambda e: 0.5 * np.exp(-e / 4), own=0.2, jitter=jitter, num_images=100, seed=seed))["verdict"]
        for seed in range(200)
    ]
    assert verdicts.count(OVERFITTING) <= 10
    assert jitter or verdicts.count(SETTLED) > 100


def test_a_best_epoch_that_is_best_by_luck_makes_no_rise() -> None:
    found = [read(watched(lambda e: 0 * e, own=0.0, luck=1.0, num_images=100, seed=seed))["rise"]["value"] for seed in range(60)]
    assert np.mean(found) < 0.02


def test_the_gap_is_taken_at_the_best_epoch() -> None:
    assert read_fit(curves(lambda epoch: 0.5))["gap"] == pytest.approx(0.1)


@pytest.mark.parametrize("num_epochs", [0, 1, 4])
def test_few_epochs_say_nothing(num_epochs: int) -> None:
    found = read_fit(curves(lambda epoch: 0.5, num_epochs))
    assert found["verdict"] == SHORT
    assert found["val_loss_slope"] is None


@pytest.mark.parametrize("loss", [None, math.nan])
def test_epochs_without_a_validation_loss_are_not_read(loss: float | None) -> None:
    assert read_fit(curves(lambda epoch: loss))["verdict"] == SHORT


def test_how_many_epochs_are_read_can_be_said() -> None:
    assert read_fit(curves(lambda epoch: 0.5), last=10)["val_loss_slope"]["n"] == 10
