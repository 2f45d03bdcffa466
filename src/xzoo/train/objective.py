"""What training minimises, and how logits become probabilities.

B = images in a batch, K = classes, O = outputs: K, or 1 for a single logit of two classes
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from xzoo.errors import UsageError
from xzoo.train.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of logits (B,O) and labels (B,), a mean over the images, each as heavy as its class in `weight_K`."""

    mean: Callable[[Tensor, Tensor], Tensor]
    weight_K: Tensor | None = None

    def __call__(self, logits_BO: Tensor, labels_B: Tensor) -> Tensor:
        """Return the loss in nats."""
        return self.mean(logits_BO, labels_B)

    def share(self, part_P: Tensor, labels_B: Tensor) -> Tensor | float:
        """Return what a part's loss counts in that of its batch, given both's labels: the shares of all parts sum to 1."""
        if self.weight_K is None:
            return len(part_P) / len(labels_B)
        return self.weight_K[part_P].sum() / self.weight_K[labels_B].sum()


def num_outputs(recipe: Recipe, num_classes: int) -> int:
    """Return how many outputs the head needs. Raises UsageError where a single logit is asked for more than two classes."""
    if recipe.loss == "bce" and num_classes != 2:
        raise UsageError(f"loss=bce needs two classes, and the data has {num_classes}", "use loss=cross-entropy")
    return 1 if recipe.loss == "bce" else num_classes


def objective(recipe: Recipe, train_labels_N: NDArray[np.int64], num_classes: int, device: str) -> Objective:
    """Return the loss of a batch, a mean over its images in nats, with the recipe's class weights and label smoothing."""
    weight_K = class_weights(recipe, train_labels_N, num_classes)
    weight_K = None if weight_K is None else weight_K.to(device)

    def cross_entropy(logits_BK: Tensor, labels_B: Tensor) -> Tensor:
        return F.cross_entropy(logits_BK.float(), labels_B, weight=weight_K, label_smoothing=recipe.label_smoothing)

    def single_logit(logits_B1: Tensor, labels_B: Tensor) -> Tensor:
        target_B = labels_B.float() * (1 - recipe.label_smoothing) + recipe.label_smoothing / 2
        weight_B = weight_K[labels_B] if weight_K is not None else None
        loss_B = F.binary_cross_entropy_with_logits(logits_B1[:, 0].float(), target_B, weight=weight_B, reduction="none")
        # As cross-entropy does it: a weighted mean, so that weights change the balance and not the step.
        return loss_B.sum() / (weight_B.sum() if weight_B is not None else len(loss_B))

    return Objective(single_logit if recipe.loss == "bce" else cross_entropy, weight_K)


def class_weights(recipe: Recipe, train_labels_N: NDArray[np.int64], num_classes: int) -> Tensor | None:
    """Return the weight of each class (K,), N / (K * its count) where the recipe balances, or None for equal weights."""
    if recipe.class_weights == "none":
        return None
    counts_K = np.maximum(np.bincount(train_labels_N, minlength=num_classes), 1)
    return torch.tensor(len(train_labels_N) / (num_classes * counts_K), dtype=torch.float32)


def total_loss(compute: Objective, logits_BO: Tensor, auxiliary: Sequence[tuple[float, Tensor]], labels_B: Tensor) -> Tensor:
    """Return the loss with the shares of the auxiliary heads."""
    loss = compute(logits_BO, labels_B)
    for weight, logits in auxiliary:
        loss = loss + weight * compute(logits, labels_B)
    return loss


def probabilities(logits_BO: Tensor) -> Tensor:
    """Return probabilities (B,K); a single logit gives two classes."""
    logits_BO = logits_BO.double()
    if logits_BO.shape[1] == 1:
        p_B = torch.sigmoid(logits_BO[:, 0])
        return torch.stack([1 - p_B, p_B], dim=1)
    return logits_BO.softmax(1)


def num_right(logits_BO: Tensor, labels_B: Tensor) -> Tensor:
    """Count the images whose most probable class is the right one."""
    predicted_B = (logits_BO[:, 0] > 0).long() if logits_BO.shape[1] == 1 else logits_BO.argmax(1)
    return (predicted_B == labels_B).sum()
