from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from xzoo.evaluate.offsets import answered_by_own, offsets


def moved(shift: float, n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities of two classes (N,2) whose log odds were moved, and labels."""
    random = np.random.default_rng(seed)
    labels_N = np.arange(n) % 2
    said_N = expit(random.normal(6.0 * labels_N - 3.0, 2.0) + shift)
    return np.stack([1 - said_N, said_N], axis=1), labels_N


def test_two_classes_are_fitted_as_logistic_regression_fits_them() -> None:
    chances_NK, labels_N = moved(1.5, n=200_000)
    slope, offsets_K = offsets(chances_NK, labels_N)
    odds_N = np.log(chances_NK[:, 1] / chances_NK[:, 0])
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(odds_N[:, None], labels_N)
    assert slope == pytest.approx(float(oracle.coef_[0, 0]), abs=1e-3)
    assert offsets_K[1] - offsets_K[0] == pytest.approx(float(oracle.intercept_[0]), abs=1e-3)


def test_a_moved_threshold_is_found_again_and_one_that_stands_right_stays() -> None:
    for shift in (0.0, 2.0):
        chances_NK, labels_N = moved(shift)
        own = answered_by_own(chances_NK, labels_N).mean()
        standing = (moved(0.0)[0].argmax(1) == labels_N).mean()
        assert own == pytest.approx(standing, abs=0.015)
    assert (moved(2.0)[0].argmax(1) == labels_N).mean() < standing - 0.05


def test_three_classes_get_their_offsets_back() -> None:
    random = np.random.default_rng(1)
    labels_N = np.arange(30_000) % 3
    logits_NK = random.normal(size=(30_000, 3)) * 1.5 + 3 * np.eye(3)[labels_N]
    true_NK = softmax(logits_NK, axis=1)
    drawn_N = (random.random((30_000, 1)) > true_NK.cumsum(1)).sum(1)
    said_NK = np.exp(log_softmax(np.log(true_NK) + np.array([1.0, 0.0, -1.0]), axis=1))
    slope, offsets_K = offsets(said_NK, drawn_N)
    assert slope == pytest.approx(1.0, abs=0.03)
    assert offsets_K - offsets_K.mean() == pytest.approx(np.array([-1.0, 0.0, 1.0]), abs=0.06)


def test_no_image_chooses_the_threshold_that_it_is_judged_at() -> None:
    random, labels_N = np.random.default_rng(2), np.arange(40) % 2
    found = []
    for _ in range(60):
        said_N = random.random(40)
        found.append(answered_by_own(np.stack([1 - said_N, said_N], 1), labels_N).mean())
    assert np.mean(found) < 0.53


def test_a_patients_images_share_a_fold() -> None:
    chances_NK, labels_N = moved(2.0)
    of_one_patient = answered_by_own(chances_NK, labels_N, np.zeros(len(labels_N)))
    assert (of_one_patient == (chances_NK.argmax(1) == labels_N)).all()
    assert answered_by_own(chances_NK, labels_N).mean() > of_one_patient.mean() + 0.05


def test_classes_that_do_not_overlap_have_finite_offsets() -> None:
    chances_NK = np.array([[0.999999, 1e-6]] * 10 + [[1e-6, 0.999999]] * 10)
    slope, offsets_K = offsets(chances_NK, np.arange(20) // 10)
    assert np.isfinite([slope, *offsets_K]).all()
    assert answered_by_own(chances_NK, np.arange(20) // 10).all()
