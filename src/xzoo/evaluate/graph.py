"""A trained network as a graph to be put into a file, and whether a file's answers are the network's.

B = images in a batch, C = channels, H, W = pixels, N = images, K = classes
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xzoo.data.batches import scale
from xzoo.evaluate.deployed import Deployed
from xzoo.model.body import Whole
from xzoo.train.objective import probabilities

MOST_DIFFERENCE = 1e-3
"""How far a probability may be from eager float32's; docs/export.md has what networks measured."""

TIE = 1e-5
"""Classes whose probabilities lie no further apart are equally probable as far as rounding goes, and either may be the answer."""

BATCH_SIZE = 16


class Graph(nn.Module):
    """Images (B,C,H,W), floats in [0, 1] at the network's size, to logits (B,K), as `Deployed.logits` computes them.

    Mean and deviation are in it. It is a copy, of modules that can be traced and exported.
    """

    mean_C11: Tensor
    std_C11: Tensor

    def __init__(self, model: Deployed) -> None:
        super().__init__()
        self.whole = Whole(copy.deepcopy(model.network), model.head_paths)
        mean_C11, std_C11 = scale(model.preprocess, "cpu")
        self.register_buffer("mean_C11", mean_C11.clone())
        self.register_buffer("std_C11", std_C11.clone())
        # torch.export warns of tensors that lie channels last, and lays them out anew.
        self.to(memory_format=torch.contiguous_format)
        self.eval().requires_grad_(False)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the logits; a single logit z of two classes comes as (0, z)."""
        logits: Tensor = self.whole((images_BCHW - self.mean_C11) / self.std_C11)
        return torch.cat([torch.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How a file answers `n` images: `same_class` as eager float32 does, `ties` otherwise where two classes are equally probable.

    `largest_difference` is that of any class's probability in any image.
    """

    n: int
    same_class: int
    ties: int
    largest_difference: float

    @property
    def holds(self) -> bool:
        """Whether the file answers as the network does."""
        return self.same_class + self.ties == self.n and self.largest_difference <= MOST_DIFFERENCE


def compared(found_NK: Tensor, expected_NK: Tensor) -> Agreement:
    """Hold a file's logits against those of eager float32. A probability that is no number agrees with nothing."""
    found_NK, expected_NK = probabilities(found_NK), probabilities(expected_NK)
    same_N = found_NK.argmax(1) == expected_NK.argmax(1)
    highest_N2 = expected_NK.topk(2, dim=1).values
    ties_N = ~same_N & (highest_N2[:, 0] - highest_N2[:, 1] <= TIE)
    return Agreement(
        n=len(same_N),
        same_class=int(same_N.sum()),
        ties=int(ties_N.sum()),
        largest_difference=float((found_NK - expected_NK).abs().max()),
    )


def logits_of(run: Callable[[Tensor], Tensor], images_NCHW: Tensor) -> Tensor:
    """Return logits (N,K), computed in batches."""
    with torch.no_grad():
        return torch.cat([run(images_BCHW) for images_BCHW in torch.split(images_NCHW, BATCH_SIZE)])
