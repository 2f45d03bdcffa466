"""The loss of linear heads that are trained together, and its gradient by their logits.

M = heads, B = images in a batch, O = outputs, K = classes, C = classes again
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from xzoo.train.objective import class_weights
from xzoo.train.recipe import Recipe


class HeadLoss:
    """Softmax cross-entropy of each head, with its own class weights and label smoothing, as the objective of the loop has them.

    Of each head it takes the recipe and the labels that it learns from. A single logit z is two of them, 0 and z. (Written with
    softplus and sigmoid it would depend on the company, since torch computes the last few numbers of a tensor by another formula
    than the rest.)
    """

    def __init__(
        self, recipes: Sequence[Recipe], labels: Sequence[NDArray[np.int64]], num_classes: int, device: torch.device
    ) -> None:
        self.is_single = recipes[0].loss == "bce"
        weights = [_weights(*one, num_classes) for one in zip(recipes, labels, strict=True)]
        self.weights_MK = torch.stack(weights).to(device)
        self.targets_MKC = torch.stack([self._targets(*one) for one in zip(recipes, weights, strict=True)]).to(device)

    def _targets(self, recipe: Recipe, weight_K: Tensor) -> Tensor:
        """Return, per label (K), what the logarithm of each class's probability (C) counts."""
        smoothing, num_classes = recipe.label_smoothing, len(weight_K)
        spread_KC = weight_K[:, None].expand(-1, num_classes) if self.is_single else weight_K
        return torch.diag((1 - smoothing) * weight_K) + smoothing / num_classes * spread_KC

    def __call__(self, logits_MBO: Tensor, labels_MB: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return each head's loss (M,), its gradient by the logits (M,B,O) and how many answers are right (M,)."""
        logits_MBC = torch.cat([torch.zeros_like(logits_MBO), logits_MBO], 2) if self.is_single else logits_MBO
        log_MBC = F.log_softmax(logits_MBC, 2)
        targets_MBC = self.targets_MKC.gather(1, labels_MB[..., None].expand_as(log_MBC))
        total_M = self.weights_MK.gather(1, labels_MB).sum(1)
        loss_M = -(targets_MBC * log_MBC).flatten(1).sum(1) / total_M
        error_MBC = (targets_MBC.sum(2, keepdim=True) * log_MBC.exp() - targets_MBC) / total_M[:, None, None]
        error_MBO = error_MBC[..., 1:].contiguous() if self.is_single else error_MBC
        return loss_M, error_MBO, (logits_MBC.argmax(2) == labels_MB).sum(1)


def _weights(recipe: Recipe, labels_N: NDArray[np.int64], num_classes: int) -> Tensor:
    found = class_weights(recipe, labels_N, num_classes)
    return torch.ones(num_classes) if found is None else found
