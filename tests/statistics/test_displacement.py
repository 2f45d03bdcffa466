from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from xzoo.statistics.displacement import Between, displacement, lost_ranking

RANDOM = np.random.default_rng(0)


def two_samples(seed: int, shift: float = 0.0, towards: float = 0.0, n: int = 200) -> tuple[np.ndarray, ...]:
    """Return scores and labels of two samples; the second's are all moved by `shift`, its classes towards each other."""
    random = np.random.default_rng(seed)
    labels_N = np.arange(n) % 2
    first_N = random.normal(4.0 * labels_N)
    second_N = random.normal(4.0 * labels_N) + shift + towards * (1 - 2 * labels_N)
    return first_N, labels_N, second_N, labels_N


def in_columns(scores_N: np.ndarray) -> np.ndarray:
    return np.stack([-scores_N, scores_N], axis=1)


def error(found: Between) -> float:
    return float(np.sqrt((found.first_N**2).sum() + (found.second_M**2).sum()))


@pytest.mark.parametrize("seed", range(20))
def test_a_displacement_is_the_mean_over_classes_of_scikit_learns_area(seed: int) -> None:
    first_N, labels_N, second_N, _ = two_samples(seed, shift=0.5)
    found = displacement(first_N, labels_N, second_N, labels_N)
    assert found is not None
    areas = [
        roc_auc_score(np.r_[np.zeros(100), np.ones(100)], np.r_[first_N[labels_N == k], second_N[labels_N == k]]) for k in (0, 1)
    ]
    assert found.value == pytest.approx(np.mean(areas) - 0.5, abs=1e-12)


def test_a_shift_of_all_scores_counts_whole_and_classes_that_draw_near_cancel() -> None:
    shifted, nearer = two_samples(1, shift=1.0), two_samples(1, towards=1.0)
    of_shift, of_nearing = displacement(*shifted), displacement(*nearer)
    assert of_shift is not None
    assert of_nearing is not None
    assert of_shift.value > 5 * error(of_shift)
    assert abs(of_nearing.value) < 2 * error(of_nearing)


def test_classes_that_draw_near_lose_ranking_and_a_shift_of_all_loses_none() -> None:
    for samples, is_lost in ((two_samples(2, towards=1.0), True), (two_samples(2, shift=1.0), False)):
        first_N, labels_N, second_N, _ = samples
        found = lost_ranking(in_columns(first_N), labels_N, in_columns(second_N), labels_N)
        assert found is not None
        areas = roc_auc_score(labels_N, first_N) - roc_auc_score(labels_N, second_N)
        assert found.value == pytest.approx(areas, abs=1e-12)
        assert (found.value > 3 * error(found)) is is_lost


def test_the_stated_errors_are_those_of_draws() -> None:
    for figure in (displacement, lambda a, b, c, d: lost_ranking(in_columns(a), b, in_columns(c), d)):
        found = [figure(*two_samples(seed, shift=0.3, towards=0.5, n=120)) for seed in range(400)]
        values, errors = [one.value for one in found if one], [error(one) for one in found if one]
        assert len(values) == len(found)
        assert np.mean(errors) == pytest.approx(np.std(values), rel=0.12)


def test_several_classes_rank_as_the_mean_of_each_against_the_rest() -> None:
    labels_N = np.arange(90) % 3
    first_NK, second_NK = (np.eye(3)[labels_N] * 2 + RANDOM.normal(size=(90, 3)) for _ in range(2))
    found = lost_ranking(first_NK, labels_N, second_NK, labels_N)
    assert found is not None
    areas = [np.mean([roc_auc_score(labels_N == k, scores[:, k]) for k in range(3)]) for scores in (first_NK, second_NK)]
    assert found.value == pytest.approx(areas[0] - areas[1], abs=1e-12)


def test_a_class_of_one_image_has_no_figure() -> None:
    labels_N = np.array([0, 1])
    scores_N = np.array([0.1, 0.9])
    assert displacement(scores_N, labels_N, scores_N, labels_N) is None
    assert lost_ranking(in_columns(scores_N), labels_N, in_columns(scores_N), labels_N) is None


@pytest.mark.parametrize(("num_negatives", "num_positives"), [(8, 8), (36, 4)])
def test_few_images_that_happen_to_be_ranked_well_are_no_loss_on_test(num_negatives: int, num_positives: int) -> None:
    """By DeLong's variance alone a test at 1% finds a loss that is none in 7% and 17% of such draws."""
    random, found = np.random.default_rng(3), []
    of_val_N = np.repeat([0, 1], [num_negatives, num_positives])
    of_test_N = np.repeat([0, 1], [200, 200])
    for _ in range(200):
        val_N, test_N = random.normal(2.0 * of_val_N), random.normal(2.0 * of_test_N)
        one = lost_ranking(in_columns(val_N), of_val_N, in_columns(test_N), of_test_N, if_none=True)
        assert one is not None
        found.append(one.value > 2.33 * error(one))
    assert np.mean(found) <= 0.03
