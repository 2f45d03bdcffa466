"""Scores of few patients have intervals that count the patients behind them."""

from __future__ import annotations

import numpy as np
import pytest

from xzoo.evaluate import ends, metrics
from xzoo.evaluate.metrics import measure
from xzoo.evaluate.scores import Floats, Split, auroc
from xzoo.statistics.intervals import mean_of_shares
from xzoo.statistics.resampling import bca, expanded, interval, leave_out_counts, resample_counts

ILL_N = np.arange(80) < 32
PATIENTS_N = np.arange(80) // 4
RIGHT_N = np.random.default_rng(0).random(20)[PATIENTS_N] < 0.7
SAID_N = np.where(RIGHT_N == ILL_N, 0.9, 0.2)
FOUND = measure(np.stack([1 - SAID_N, SAID_N], 1), ILL_N.astype(int), ["well", "ill"], groups_N=PATIENTS_N)


def test_balanced_accuracy_counts_the_patients_of_the_class_that_has_fewest() -> None:
    found = FOUND.balanced_accuracy
    assert found is not None
    drawn = [
        ((counts_RN @ (RIGHT_N & of_N)) / (counts_RN @ of_N) for of_N in (ILL_N, ~ILL_N))
        for counts_RN in resample_counts(ILL_N, PATIENTS_N)
    ]
    low, high = interval(np.concatenate([sum(both) / 2 for both in drawn]), expanded(8))
    narrow = mean_of_shares([(int((RIGHT_N & of_N).sum()), int(of_N.sum())) for of_N in (~ILL_N, ILL_N)])
    assert (found.low, found.high) == pytest.approx((min(low, narrow[0]), max(high, narrow[1])), abs=1e-6)
    assert low < narrow[0]


def test_a_bootstrap_of_few_patients_reaches_as_far_as_so_few_leave_open() -> None:
    found, errors_N = FOUND.brier, (SAID_N - ILL_N) ** 2
    assert found is not None
    drawn_R = np.concatenate([counts_RN @ errors_N / counts_RN.sum(1) for counts_RN in resample_counts(ILL_N, PATIENTS_N)])
    counts_JN, strata_J = leave_out_counts(ILL_N, PATIENTS_N)
    left_out_J = counts_JN @ errors_N / counts_JN.sum(1)
    factor = found.value / errors_N.mean()
    both = bca(float(errors_N.mean()), drawn_R, left_out_J, strata_J, expanded(20))
    assert (found.low, found.high) == pytest.approx((both[0] * factor, both[1] * factor), rel=1e-4)
    assert factor == pytest.approx(round(factor), abs=1e-6)


@pytest.mark.parametrize("num_patients", [1, 2, 3])
def test_as_few_patients_as_there_can_be_give_ends_or_none(num_patients: int) -> None:
    found = measure(
        np.stack([1 - SAID_N, SAID_N], 1), ILL_N.astype(int), ["well", "ill"], groups_N=PATIENTS_N % num_patients
    ).brier
    assert found is not None
    assert (found.low is None) == (num_patients == 1)


def test_blocks_left_out_are_scored_some_at_a_time_with_the_same_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    chances_NK, labels_N = np.random.default_rng(0).dirichlet(np.ones(3), 90), np.arange(90) % 3
    whole = measure(chances_NK, labels_N, ["a", "b", "c"])
    seen: list[int] = []
    monkeypatch.setattr(ends, "MOST_WEIGHTS", 10 * 90)

    def watched(split: Split, weights_RN: Floats) -> Floats:
        seen.append(len(weights_RN))
        return auroc(split, weights_RN)

    monkeypatch.setattr(metrics, "auroc", watched)
    parts = measure(chances_NK, labels_N, ["a", "b", "c"])
    assert seen[-9:] == [10] * 9
    for name in ("auroc", "loss", "brier", "f1", "mcc"):
        one, other = getattr(whole, name), getattr(parts, name)
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-6)
