from __future__ import annotations

import math
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as oracle

from xzoo.errors import DataError
from xzoo.evaluate.metrics import guess_positive, is_chance, measure
from xzoo.runs.result import Measure, Metrics

NAMES = ("normal", "pneumonia", "tuberculosis")


def predictions(
    num_classes: int, n: int = 300, skill: float = 1.0, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels_N = rng.choice(num_classes, n, p=np.arange(1, num_classes + 1) / sum(range(1, num_classes + 1)))
    logits_NK = rng.normal(size=(n, num_classes)).round(1)  # rounded, so that scores tie
    logits_NK[np.arange(n), labels_N] += skill
    chances_NK = np.exp(logits_NK)
    return chances_NK / chances_NK.sum(1, keepdims=True), labels_N


def certain(answers: list[int], num_classes: int = 2) -> NDArray[np.float64]:
    return np.asarray(np.eye(num_classes)[answers] * 0.98 + 0.02 / num_classes)


def value(found: Measure | None) -> float:
    assert found is not None
    return found.value


@pytest.mark.parametrize("num_classes", [2, 3])
def test_every_figure_agrees_with_scikit_learn(num_classes: int) -> None:
    chances_NK, labels_N = predictions(num_classes)
    answers_N = chances_NK.argmax(1)
    found = measure(chances_NK, labels_N, NAMES[:num_classes], num_resamples=20)
    scores = chances_NK[:, 1] if num_classes == 2 else chances_NK
    assert value(found.loss) == pytest.approx(oracle.log_loss(labels_N, chances_NK))
    assert value(found.accuracy) == pytest.approx(oracle.accuracy_score(labels_N, answers_N))
    assert value(found.balanced_accuracy) == pytest.approx(oracle.balanced_accuracy_score(labels_N, answers_N))
    assert value(found.auroc) == pytest.approx(oracle.roc_auc_score(labels_N, scores, multi_class="ovr", average="macro"))
    assert value(found.f1) == pytest.approx(oracle.f1_score(labels_N, answers_N, average="macro"))
    assert value(found.mcc) == pytest.approx(oracle.matthews_corrcoef(labels_N, answers_N))
    assert value(found.brier) == pytest.approx(oracle.brier_score_loss(labels_N, scores))
    assert found.confusion == tuple(map(tuple, oracle.confusion_matrix(labels_N, answers_N).tolist()))
    recalls = oracle.recall_score(labels_N, answers_N, average=None)
    assert [value(found.recall[name]) for name in NAMES[:num_classes]] == pytest.approx(recalls.tolist())


@pytest.mark.parametrize("positive", ["normal", "pneumonia"])
def test_a_named_positive_class_gives_sensitivity_specificity_and_its_f1(positive: str) -> None:
    chances_NK, labels_N = predictions(2)
    place, answers_N = NAMES.index(positive), chances_NK.argmax(1)
    found = measure(chances_NK, labels_N, NAMES[:2], positive, num_resamples=20)
    assert value(found.sensitivity) == pytest.approx(oracle.recall_score(labels_N, answers_N, pos_label=place))
    assert value(found.specificity) == pytest.approx(oracle.recall_score(labels_N, answers_N, pos_label=1 - place))
    assert value(found.f1) == pytest.approx(oracle.f1_score(labels_N, answers_N, pos_label=place))


def test_one_of_three_can_be_positive_against_the_rest() -> None:
    chances_NK, labels_N = predictions(3)
    ill_N, called_N = labels_N == 2, chances_NK.argmax(1) == 2
    found = measure(chances_NK, labels_N, NAMES, "tuberculosis", num_resamples=20)
    assert value(found.sensitivity) == pytest.approx(oracle.recall_score(ill_N, called_N))
    assert value(found.specificity) == pytest.approx(oracle.recall_score(~ill_N, ~called_N))


def test_without_a_positive_class_there_is_no_sensitivity_but_a_reason() -> None:
    found = measure(*predictions(2), NAMES[:2], num_resamples=20)
    assert found.sensitivity is None
    assert found.specificity is None
    assert "--positive" in found.reasons["sensitivity"]


def test_shares_have_wilson_intervals_and_scores_bootstrap_ones() -> None:
    chances_NK, labels_N = predictions(2)
    found = measure(chances_NK, labels_N, NAMES[:2], "pneumonia", train_labels_N=labels_N)
    for name in (
        "loss",
        "accuracy",
        "balanced_accuracy",
        "auroc",
        "sensitivity",
        "specificity",
        "f1",
        "mcc",
        "brier",
        "majority",
    ):
        figure = getattr(found, name)
        assert figure.low < figure.value < figure.high, name
        assert figure.n == {"sensitivity": (labels_N == 1).sum(), "specificity": (labels_N == 0).sum()}.get(name, 300)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_the_bootstrap_of_auroc_agrees_with_scikit_learn_on_resampled_images(num_classes: int) -> None:
    chances_NK, labels_N = predictions(num_classes, 150)
    rng, drawn = np.random.default_rng(5), []
    for _ in range(200):
        indices = np.concatenate([rng.choice(np.flatnonzero(labels_N == k), (labels_N == k).sum()) for k in range(num_classes)])
        scores = chances_NK[indices, 1] if num_classes == 2 else chances_NK[indices]
        drawn.append(oracle.roc_auc_score(labels_N[indices], scores, multi_class="ovr"))
    found = measure(chances_NK, labels_N, NAMES[:num_classes], num_resamples=2000).auroc
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.02)


def test_patients_widen_every_interval_and_never_narrow_it() -> None:
    chances_NK, labels_N = predictions(2, 60)
    chances_NK, labels_N = np.repeat(chances_NK, 5, axis=0), np.repeat(labels_N, 5)
    alone = measure(chances_NK, labels_N, NAMES[:2])
    together = measure(chances_NK, labels_N, NAMES[:2], groups_N=np.repeat(np.arange(60), 5))
    for name in ("loss", "accuracy", "balanced_accuracy", "auroc", "f1", "mcc", "brier"):
        wide, narrow = getattr(together, name), getattr(alone, name)
        assert wide.value == pytest.approx(narrow.value)
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low), name


def test_patients_all_right_are_still_not_certain() -> None:
    labels_N = np.tile([0, 1], 10)
    found = measure(certain(labels_N.tolist()), labels_N, NAMES[:2], groups_N=np.arange(20), num_resamples=50).accuracy
    assert found is not None
    assert found.low is not None
    assert found.low < 0.9


def test_the_majority_row_answers_what_train_has_most_of() -> None:
    labels_N = np.repeat([0, 1], [30, 70])
    found = measure(certain([1] * 100), labels_N, NAMES[:2], train_labels_N=np.array([0, 0, 0, 1]), num_resamples=20)
    assert value(found.majority) == 0.3
    assert "majority" in measure(certain([1] * 100), labels_N, NAMES[:2], num_resamples=20).reasons


def test_an_image_that_is_certainly_wrong_costs_a_finite_loss() -> None:
    found = measure(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]), NAMES[:2], num_resamples=20)
    assert value(found.loss) == pytest.approx(-math.log(1e-12) / 2)


def test_a_split_of_one_class_has_no_figure_that_needs_two() -> None:
    found = measure(certain([0, 1, 1, 1]), np.array([1, 1, 1, 1]), NAMES[:2], "pneumonia", num_resamples=20)
    for name in ("balanced_accuracy", "auroc", "f1", "mcc", "specificity"):
        assert getattr(found, name) is None, name
        assert found.reasons[name]
    assert found.recall["normal"] is None
    assert "normal" in found.reasons["recall normal"]
    assert value(found.accuracy) == value(found.sensitivity) == 0.75


def test_a_class_missing_of_three_leaves_what_is_still_defined() -> None:
    found = measure(certain([0, 1, 1, 0], 3), np.array([0, 1, 1, 1]), NAMES, num_resamples=20)
    assert found.auroc is None
    assert "tuberculosis" in found.reasons["auroc"]
    assert value(found.mcc) == pytest.approx(oracle.matthews_corrcoef([0, 1, 1, 1], [0, 1, 1, 0]))


def test_one_answer_for_all_images_correlates_with_nothing() -> None:
    labels_N = np.array([0, 1, 0, 1])
    assert value(measure(certain([1] * 4), labels_N, NAMES[:2], num_resamples=20).mcc) == 0


@pytest.mark.parametrize(
    ("chances", "labels", "said"),
    [
        ([[math.nan, 1.0]], [0], "not a number"),
        ([[0.7, 0.7]], [0], "sum 1"),
        ([[1.5, -0.5]], [0], "sum 1"),
        ([[0.5, 0.5]], [2], "label"),
        ([[0.5, 0.5]], [0, 1], "do not fit"),
        ([[0.2, 0.3, 0.5]], [0], "do not fit"),
        (np.empty((0, 2)), [], "do not fit"),
    ],
)
def test_predictions_that_cannot_be_used_are_refused(chances: NDArray[np.float64], labels: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        measure(np.asarray(chances), np.asarray(labels), NAMES[:2])


def test_a_positive_class_that_is_not_in_the_data_is_refused() -> None:
    with pytest.raises(DataError, match="covid"):
        measure(*predictions(2), NAMES[:2], "covid")


def test_a_seed_gives_one_result() -> None:
    chances_NK, labels_N = predictions(2)
    first, again = (measure(chances_NK, labels_N, NAMES[:2], seed=1, num_resamples=50) for _ in range(2))
    assert first == again
    assert first.brier != measure(chances_NK, labels_N, NAMES[:2], seed=2, num_resamples=50).brier


def test_1600_images_are_measured_in_well_under_a_second() -> None:
    chances_NK, labels_N = predictions(2, 1600)
    start = time.perf_counter()
    measure(chances_NK, labels_N, NAMES[:2], "pneumonia", train_labels_N=labels_N)
    assert time.perf_counter() - start < 1.0


def chances_of(right: int, n: int = 100) -> Metrics:
    labels = [0, 1] * (n // 2)
    answers = [label if place < right else 1 - label for place, label in enumerate(labels)]
    return measure(certain(answers), np.array(labels), NAMES[:2], num_resamples=200)


def test_answers_near_half_are_chance_and_good_ones_are_not() -> None:
    assert is_chance(chances_of(50))
    assert is_chance(chances_of(56))
    assert is_chance(chances_of(30))
    assert not is_chance(chances_of(75))


def test_answering_the_larger_class_is_chance_however_large_it_is() -> None:
    labels_N = np.repeat([0, 1], [10, 90])
    assert is_chance(measure(certain([1] * 100), labels_N, NAMES[:2], num_resamples=200))


def test_finding_most_of_a_rare_class_is_not_chance_though_accuracy_does_not_beat_the_majority() -> None:
    labels_N = np.repeat([0, 1], [20, 180])
    answers = [0] * 18 + [1] * 2 + [0] * 20 + [1] * 160
    assert not is_chance(measure(certain(answers), labels_N, NAMES[:2], num_resamples=200))


@pytest.mark.parametrize(
    ("classes", "positive"),
    [
        (("normal", "pneumonia"), "pneumonia"),
        (("PNEUMONIA", "NORMAL"), "PNEUMONIA"),
        (("No_Finding", "effusion"), "effusion"),
        (("no-tumor", "tumor"), "tumor"),
        (("benign", "malignant"), "malignant"),
        (("cat", "dog"), None),
        (("0", "1"), None),
        (("normal", "healthy"), None),
        (("bacterial", "viral"), None),
        (("normal", "covid", "pneumonia"), None),
    ],
)
def test_the_positive_class_is_guessed_only_where_names_tell(classes: tuple[str, ...], positive: str | None) -> None:
    assert guess_positive(classes) == positive
