from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xzoo.errors import UsageError
from xzoo.train.objective import num_outputs, num_right, objective, probabilities, total_loss
from xzoo.train.recipe import make

LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 0])
GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(6, 3, generator=GENERATOR)
LABELS_B = torch.tensor([0, 1, 2, 0, 1, 0])
WEIGHTS = torch.tensor([8 / (3 * 5), 8 / (3 * 2), 8 / (3 * 1)])


def two_classes(logits_B1: Tensor) -> Tensor:
    """Return two logits per image whose softmax is the sigmoid of one."""
    return torch.cat([torch.zeros_like(logits_B1), logits_B1], 1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("balance", ["none", "balanced"])
def test_cross_entropy_is_torchs_with_weights_by_rarity(smoothing: float, balance: str) -> None:
    compute = objective(make({"label_smoothing": smoothing, "class_weights": balance}), LABELS, 3, "cpu")
    weight = WEIGHTS if balance == "balanced" else None
    expected = nn.CrossEntropyLoss(weight, label_smoothing=smoothing)(LOGITS, LABELS_B)
    assert float(compute(LOGITS, LABELS_B)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("balance", ["none", "balanced"])
def test_a_single_logit_costs_what_cross_entropy_of_two_costs(smoothing: float, balance: str) -> None:
    logits_B1, labels_B = LOGITS[:, :1], LABELS_B.clamp(max=1)
    compute = objective(
        make({"loss": "bce", "label_smoothing": smoothing, "class_weights": balance}), LABELS.clip(max=1), 2, "cpu"
    )
    weight = torch.tensor([8 / (2 * 5), 8 / (2 * 3)]) if balance == "balanced" else None
    smooth = nn.CrossEntropyLoss(weight, label_smoothing=smoothing)
    found = float(compute(logits_B1, labels_B))
    if smoothing and weight is not None:
        # torch weighs a smoothed target class by class; here an image has the weight of its own class.
        each = nn.CrossEntropyLoss(label_smoothing=smoothing, reduction="none")(two_classes(logits_B1), labels_B)
        assert found == pytest.approx(float((each * weight[labels_B]).sum() / weight[labels_B].sum()), rel=1e-6)
    else:
        assert found == pytest.approx(float(smooth(two_classes(logits_B1), labels_B)), rel=1e-6)


def test_a_class_without_training_images_has_a_finite_weight() -> None:
    compute = objective(make({"class_weights": "balanced"}), np.array([0, 0, 1]), 3, "cpu")
    assert torch.isfinite(compute(LOGITS, LABELS_B))


def test_the_loss_is_a_mean_over_images_in_float32() -> None:
    compute = objective(make({}), LABELS, 3, "cpu")
    assert float(compute(torch.zeros(4, 3), torch.zeros(4, dtype=torch.long))) == pytest.approx(np.log(3))
    assert compute(LOGITS.bfloat16(), LABELS_B).dtype == torch.float32


def test_auxiliary_heads_add_their_share() -> None:
    compute = objective(make({}), LABELS, 3, "cpu")
    first, second = compute(LOGITS, LABELS_B), compute(-LOGITS, LABELS_B)
    total = total_loss(compute, LOGITS, [(0.3, -LOGITS), (0.5, LOGITS)], LABELS_B)
    assert float(total) == pytest.approx(float(1.5 * first + 0.3 * second), rel=1e-6)
    assert total_loss(compute, LOGITS, [], LABELS_B) == first


def test_probabilities_sum_to_one_and_a_single_logit_gives_two_classes() -> None:
    assert torch.allclose(probabilities(LOGITS), LOGITS.double().softmax(1))
    two = probabilities(LOGITS[:, :1])
    assert two.shape == (6, 2)
    assert torch.allclose(two, two_classes(LOGITS[:, :1]).double().softmax(1))


def test_right_answers_are_those_of_the_most_probable_class() -> None:
    assert int(num_right(LOGITS, LABELS_B)) == int((probabilities(LOGITS).argmax(1) == LABELS_B).sum())
    single, labels_B = LOGITS[:, :1], LABELS_B.clamp(max=1)
    assert int(num_right(single, labels_B)) == int((probabilities(single).argmax(1) == labels_B).sum())


def test_a_single_logit_is_for_two_classes_alone() -> None:
    bce = make({"loss": "bce"})
    assert (num_outputs(bce, 2), num_outputs(make({}), 2), num_outputs(make({}), 5)) == (1, 2, 5)
    with pytest.raises(UsageError, match="loss=bce needs two classes, and the data has 3"):
        num_outputs(bce, 3)
