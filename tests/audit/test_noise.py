from __future__ import annotations

import numpy as np
import pytest

from xzoo.audit.noise import FEWEST, noise
from xzoo.audit.twosample import directions


def images(
    n: int, apart: float, wrong: float, num_classes: int = 2, seed: int = 0, dimensions: int = 24
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (N,D), labels of which a share is wrong, and which (N)."""
    random = np.random.default_rng(seed)
    true_N = np.arange(n) % num_classes
    features_ND = random.normal(size=(n, dimensions))
    features_ND[:, :num_classes] += apart * np.eye(num_classes)[true_N]
    wrong_N = np.zeros(n, bool)
    wrong_N[random.permutation(n)[: round(wrong * n)]] = True
    labels_N = np.where(wrong_N, (true_N + random.integers(1, num_classes, n)) % num_classes, true_N)
    return directions(features_ND), labels_N, wrong_N


@pytest.mark.parametrize("num_classes", [2, 3])
def test_wrong_labels_are_counted(num_classes: int) -> None:
    values_ND, labels_N, wrong_N = images(1200, 4.0, 0.1, num_classes)
    found = noise(values_ND, labels_N, np.arange(1200), num_classes)
    assert found.is_there
    assert found.wrong is not None
    assert found.wrong.low is not None
    assert found.wrong.high is not None
    assert found.wrong.low < 0.1 < found.wrong.high
    assert wrong_N[list(found.images)].mean() > 0.9


@pytest.mark.parametrize("apart", [1.2, 1.8, 2.5, 4.0])
def test_hard_images_are_not_taken_for_wrong_labels(apart: float) -> None:
    for seed in range(5):
        values_ND, labels_N, _ = images(1000, apart, 0.0, seed=seed)
        assert not noise(values_ND, labels_N, np.arange(1000), 2).is_there


def test_a_tenth_of_wrong_labels_is_named_whenever_classes_lie_apart() -> None:
    """With an offset left free, the curve itself may end below 1 for some of them, and no label need be wrong."""
    for seed in range(8):
        values_ND, labels_N, _ = images(1000, 4.0, 0.1, seed=seed)
        assert noise(values_ND, labels_N, np.arange(1000), 2).is_there


def test_the_interval_of_wrong_labels_holds_the_truth() -> None:
    held = []
    for seed in range(40):
        values_ND, labels_N, _ = images(500, 4.0, 0.08, seed=seed)
        found = noise(values_ND, labels_N, np.arange(500), 2).wrong
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held.append(found.low <= 0.08 <= found.high)
    assert np.mean(held) >= 0.85


def test_weak_features_contradict_no_label() -> None:
    values_ND, labels_N, _ = images(600, 0.8, 0.1)
    found = noise(values_ND, labels_N, np.arange(600), 2)
    assert found.wrong is None
    assert not found.is_there
    assert "too weakly" in found.reason


def test_few_images_say_nothing() -> None:
    values_ND, labels_N, _ = images(FEWEST - 2, 4.0, 0.3)
    found = noise(values_ND, labels_N, np.arange(FEWEST - 2), 2)
    assert found.reason.startswith(f"{FEWEST - 2} images, ")
    assert not found.is_there


@pytest.mark.parametrize("num_copies", [1, 2])
def test_neither_an_image_nor_its_copy_vouches_for_its_label(num_copies: int) -> None:
    """With a feature for every other image, a classifier that saw the image or its copy would agree with almost every label."""
    values_ND, labels_N, _ = images(240, 5.0, 0.15, dimensions=100)
    all_N = np.tile(np.arange(240), num_copies)
    found = noise(values_ND[all_N], labels_N[all_N], all_N, 2)
    assert found.contradicted is not None
    assert found.contradicted.value == pytest.approx(0.15, abs=0.04)
