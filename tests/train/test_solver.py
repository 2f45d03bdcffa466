"""The closed head solves what it says it solves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from xzoo.errors import CellError, PreflightError
from xzoo.train.recipe import Recipe
from xzoo.train.solver import PATH, check, solve


def drawn(num_classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(num_classes)
    inputs_ND = random.normal(size=(90, 7)).astype(np.float32)
    scores_NK = inputs_ND @ random.normal(size=(7, num_classes)) + random.gumbel(size=(90, num_classes))
    return inputs_ND, scores_NK.argmax(1)


def penalised(inputs_ND: Any, labels_N: Any, num_classes: int, strength: float, weight_K: Any) -> NDArray[np.float64]:
    """Return probabilities of a penalised softmax regression, minimised by a general optimiser."""
    shape = (num_classes, inputs_ND.shape[1] + 1)
    ones_ND = np.c_[inputs_ND, np.ones(len(inputs_ND))].astype(float)

    def loss(flat: NDArray[np.float64]) -> float:
        weights_KD = flat.reshape(shape)
        log_NK = ones_ND @ weights_KD.T
        log_NK -= logsumexp(log_NK, axis=1, keepdims=True)
        fit = -(weight_K[labels_N] * log_NK[np.arange(len(labels_N)), labels_N]).sum()
        return float(strength * fit + (weights_KD[:, :-1] ** 2).sum() / 2)

    best = minimize(loss, np.zeros(shape[0] * shape[1]), method="BFGS", options={"gtol": 1e-5})
    scores_NK = ones_ND @ best.x.reshape(shape).T
    return np.asarray(np.exp(scores_NK - logsumexp(scores_NK, axis=1, keepdims=True)))


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("num_classes", [3, 4])
def test_every_solution_minimises_the_penalised_loss(num_classes: int, balanced: bool) -> None:
    inputs_ND, labels_N = drawn(num_classes)
    recipe = Recipe(class_weights="balanced" if balanced else "none")
    counts_K = np.bincount(labels_N)
    weight_K = len(labels_N) / (num_classes * counts_K) if balanced else np.ones(num_classes)
    solutions = solve(inputs_ND, labels_N, recipe, num_classes, path=(0.01, 1.0))
    assert [one.strength for one in solutions] == [0.01, 1.0]
    for one in solutions:
        scores_NK = inputs_ND @ one.weights_OD.T + one.bias_O
        found_NK = np.exp(scores_NK - logsumexp(scores_NK, axis=1, keepdims=True))
        np.testing.assert_allclose(found_NK, penalised(inputs_ND, labels_N, num_classes, one.strength, weight_K), atol=2e-4)


def test_one_logit_and_two_outputs_say_the_same() -> None:
    inputs_ND, labels_N = drawn(2)
    [single] = solve(inputs_ND, labels_N, Recipe(loss="bce"), 2, path=(0.1,))
    [double] = solve(inputs_ND, labels_N, Recipe(), 2, path=(0.1,))
    logit_N = (inputs_ND @ single.weights_OD.T + single.bias_O)[:, 0]
    logits_N2 = inputs_ND @ double.weights_OD.T + double.bias_O
    assert (single.weights_OD.shape, double.weights_OD.shape) == ((1, 7), (2, 7))
    np.testing.assert_allclose(logits_N2[:, 1] - logits_N2[:, 0], logit_N, atol=1e-9)


def test_a_stronger_penalty_gives_smaller_weights() -> None:
    norms = [np.abs(one.weights_OD).sum() for one in solve(*drawn(3), Recipe(), 3)]
    assert len(norms) == len(PATH)
    assert norms == sorted(norms)


def test_a_class_without_images_and_smoothing_are_refused() -> None:
    inputs_ND, labels_N = drawn(3)
    with pytest.raises(CellError, match="class 3 has no training image"):
        solve(inputs_ND, labels_N, Recipe(), 4)
    with pytest.raises(PreflightError, match="no label smoothing"):
        check(Recipe(label_smoothing=0.1))
