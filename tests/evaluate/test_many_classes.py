"""Figures of more than 32 classes take other ways to what few classes have, and hold their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from xzoo.evaluate import ends, scores
from xzoo.evaluate.metrics import measure
from xzoo.evaluate.scores import Split, balanced_accuracy, brier, f1, matthews
from xzoo.statistics.auroc import mean_auroc_interval
from xzoo.statistics.resampling import leave_out_counts, resample_counts

NUM_CLASSES = 40


def drawn(num_classes: int, each: int, seed: int = 0, signal: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities (N,K) and labels (N), so many images of each class."""
    labels_N = np.repeat(np.arange(num_classes), each)
    logits_NK = np.random.default_rng(seed).normal(size=(len(labels_N), num_classes))
    logits_NK[np.arange(len(labels_N)), labels_N] += signal
    odds_NK = np.exp(logits_NK)
    return odds_NK / odds_NK.sum(1, keepdims=True), labels_N


def test_sums_by_class_are_those_of_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    chances_NK, labels_N = drawn(NUM_CLASSES, 5)
    kept = labels_N != 3
    split = Split(chances_NK[kept], labels_N[kept])
    weights_RN = next(resample_counts(split.labels))
    found = [score(split, weights_RN) for score in (balanced_accuracy, f1, matthews, brier)]
    monkeypatch.setattr(scores, "MANY_CLASSES", 1000)
    for mine, score in zip(found, (balanced_accuracy, f1, matthews, brier), strict=True):
        assert np.array_equal(mine, score(Split(split.chances, split.labels), weights_RN), equal_nan=True)


def test_the_mean_auroc_is_sklearns_and_its_interval_is_near_the_bootstraps(monkeypatch: pytest.MonkeyPatch) -> None:
    chances_NK, labels_N = drawn(NUM_CLASSES, 6)
    names = [f"c{place}" for place in range(NUM_CLASSES)]
    found = measure(chances_NK, labels_N, names).auroc
    assert found is not None
    assert found.value == pytest.approx(roc_auc_score(labels_N, chances_NK, multi_class="ovr", average="macro"), abs=1e-9)
    monkeypatch.setattr(ends, "MANY_CLASSES", 1000)
    drawn_again = measure(chances_NK, labels_N, names, num_resamples=300).auroc
    assert drawn_again is not None
    assert found.low is not None
    assert found.high is not None
    assert drawn_again.low is not None
    assert drawn_again.high is not None
    assert found.high - found.low == pytest.approx(drawn_again.high - drawn_again.low, rel=0.25)
    assert found.low < found.value < found.high


def test_the_interval_of_the_mean_auroc_holds_the_truth_as_often_as_it_says() -> None:
    truth = float(np.mean([mean_auroc_interval(*drawn(NUM_CLASSES, 40, seed))[0] for seed in range(1000, 1010)]))
    held = [low <= truth <= high for _, low, high in (mean_auroc_interval(*drawn(NUM_CLASSES, 4, seed)) for seed in range(100))]
    assert 0.88 <= np.mean(held) <= 0.99


def test_patients_widen_the_interval_of_the_mean_auroc() -> None:
    chances_NK, labels_N = drawn(NUM_CLASSES, 3)
    twice = np.repeat(chances_NK, 2, axis=0), np.repeat(labels_N, 2)
    apart, together = mean_auroc_interval(*twice), mean_auroc_interval(*twice, np.arange(len(twice[1])) // 2)
    assert together[0] == apart[0]
    assert together[2] - together[1] > 1.3 * (apart[2] - apart[1])


def test_perfect_answers_and_classes_of_one_image_have_no_interval_by_themselves() -> None:
    assert np.isnan(mean_auroc_interval(np.eye(NUM_CLASSES), np.arange(NUM_CLASSES))[1])
    assert mean_auroc_interval(np.eye(NUM_CLASSES), np.arange(NUM_CLASSES))[0] == 1


def test_blocks_that_are_left_out_do_not_grow_with_images_times_classes() -> None:
    weights_JN, strata_J = leave_out_counts(np.repeat(np.arange(500), 12))
    assert weights_JN.shape == (1000, 6000)
    assert np.array_equal(np.bincount(strata_J), np.full(500, 2))
    assert len(leave_out_counts(np.repeat(np.arange(32), 12))[0]) == 32 * 12
