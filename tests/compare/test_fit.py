from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from xzoo.compare.fit import Slope, read_fit, slope
from xzoo.runs.result import EpochRecord


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
    return 0.01 * float(np.random.default_rng(epoch).normal())


@given(
    st.lists(st.integers(-1000, 1000), min_size=3, max_size=60).filter(lambda values: len(set(values[-3:])) > 1),
    st.integers(0, 5),
)
def test_the_slope_agrees_with_scipy(values: list[int], first: int) -> None:
    first = min(first, len(values) - 3)
    oracle = stats.linregress(range(len(values) - first), values[first:])
    found = slope(values, first)
    half = stats.t.ppf(0.975, len(values) - first - 2) * oracle.stderr
    assert (found.value, found.error) == pytest.approx((oracle.slope, oracle.stderr), rel=1e-6, abs=1e-6)
    assert (found.low, found.high) == pytest.approx((oracle.slope - half, oracle.slope + half), rel=1e-6, abs=1e-5)
    assert found.n == len(values) - first


def test_a_flat_line_has_no_error() -> None:
    assert slope([0.5] * 6, 0) == Slope(0.0, 0.0, 0.0, 0.0, 6)


def test_a_line_needs_three_epochs() -> None:
    with pytest.raises(ValueError, match="2 values"):
        slope([1.0, 2.0, 3.0], 1)


def test_fifty_epochs_are_read_from_the_31st() -> None:
    found = read_fit(curves(lambda epoch: 5.0 if epoch < 30 else 0.3 + 0.01 * epoch))
    assert found["val_loss_slope"]["n"] == 20
    assert found["val_loss_slope"]["value"] == pytest.approx(0.01)


@pytest.mark.parametrize(("rise", "verdict"), [(0.01, "overfitting"), (-0.01, "still learning"), (0.0, "settled")])
def test_the_verdict_follows_the_interval_of_the_slope(rise: float, verdict: str) -> None:
    assert read_fit(curves(lambda epoch: 1 + rise * epoch + wobble(epoch)))["verdict"] == verdict


def test_the_gap_is_taken_at_the_best_epoch() -> None:
    assert read_fit(curves(lambda epoch: 0.5))["gap"] == pytest.approx(0.1)


@pytest.mark.parametrize("num_epochs", [0, 1, 4])
def test_few_epochs_say_nothing(num_epochs: int) -> None:
    found = read_fit(curves(lambda epoch: 0.5, num_epochs))
    assert found["verdict"] == "too short to say"
    assert found["val_loss_slope"] is None


@pytest.mark.parametrize("loss", [None, math.nan])
def test_epochs_without_a_validation_loss_are_not_read(loss: float | None) -> None:
    assert read_fit(curves(lambda epoch: loss))["verdict"] == "too short to say"


def test_how_many_epochs_are_read_can_be_said() -> None:
    assert read_fit(curves(lambda epoch: 0.5), last=10)["val_loss_slope"]["n"] == 10
