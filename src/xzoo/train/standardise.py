"""Features brought to mean 0 and deviation 1, and that step folded into the head afterwards.

N = images, D = features, K = outputs
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xzoo.model.heads import SeveralHeads

# Features come in float32, whose relative resolution is 6e-8: below this share of its mean a deviation is mostly rounding.
CONSTANT = 1e-5


@dataclass(frozen=True, eq=False)
class Standardiser:
    """Mean and inverse deviation per feature (D,); the inverse is 0 for a constant feature, which so drops out."""

    mean_D: Tensor
    inverse_D: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Return standardised features (N,D) or (N,D,H,W) in float32."""
        if not len(self.mean_D):
            return features.float()
        shape = (1, -1) + (1,) * (features.dim() - 2)
        return ((features.double() - self.mean_D.view(shape)) * self.inverse_D.view(shape)).float()

    @torch.no_grad()
    def fold(self, head: nn.Module) -> None:
        """Change linear or convolutional heads so that plain features give the logits that standardised ones gave."""
        if not len(self.mean_D):
            return
        if isinstance(head, SeveralHeads):
            for part, place in zip(head.parts, head.places, strict=True):
                Standardiser(self.mean_D[place], self.inverse_D[place]).fold(part)
            return
        weight, bias = head.get_parameter("weight"), head.get_parameter("bias")
        spread = (1, -1) + (1,) * (weight.dim() - 2)
        new = weight.double() * self.inverse_D.view(spread).to(weight.device)
        bias.sub_((new * self.mean_D.view(spread).to(weight.device)).flatten(1).sum(1).to(bias.dtype))
        weight.copy_(new)


IDENTITY = Standardiser(torch.empty(0), torch.empty(0))


def fit(features_ND: Tensor, head: nn.Module) -> Standardiser:
    """Return the standardiser of the training images' features, (N,D) or (N,D,H,W).

    Scales are relative, because random networks give features that deviate by 1e-14. Heads that are neither linear nor a
    convolution without padding, or that have no bias, cannot take the step in: their features stay as they are.
    """
    if not _foldable(head, features_ND.dim()):
        return IDENTITY
    axes = _axes(features_ND)
    values = features_ND.double()
    return _of(values.mean(axes), values.std(axes, correction=0))


def fit_parts(parts: Iterable[Tensor], head: nn.Module, dims: int) -> Standardiser:
    """Return the standardiser of features that come in parts and have so many dimensions, in one pass over them.

    Sums of squares are joined as in Chan, Golub and LeVeque 1983 (https://doi.org/10.1080/00031305.1983.10483115), equation 1.
    """
    if not _foldable(head, dims):
        return IDENTITY
    count, mean_D, squares_D = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        values, axes = part.double(), _axes(part)
        of_part_D, more = values.mean(axes), part[:, 0].numel()
        shift_D = of_part_D - mean_D.to(of_part_D)
        squares_D = (
            squares_D.to(of_part_D) + values.var(list(axes), correction=0) * more + shift_D**2 * (count * more / (count + more))
        )
        mean_D = mean_D.to(of_part_D) + shift_D * (more / (count + more))
        count += more
    return _of(mean_D, (squares_D / count).sqrt())


def _axes(features_ND: Tensor) -> list[int]:
    return [0, *range(2, features_ND.dim())]


def _of(mean_D: Tensor, deviation_D: Tensor) -> Standardiser:
    constant_D = deviation_D <= CONSTANT * mean_D.abs()
    inverse_D = torch.where(constant_D, 0.0, 1 / torch.where(constant_D, 1.0, deviation_D))
    return Standardiser(mean_D, inverse_D)


def _foldable(head: nn.Module, dims: int) -> bool:
    if isinstance(head, SeveralHeads):
        return all(_foldable(part, 1 + len(shape)) for part, shape in zip(head.parts, head.shapes, strict=True))
    if isinstance(head, nn.Linear):
        return dims == 2 and head.bias is not None
    return (
        isinstance(head, nn.Conv2d)
        and dims == 4
        and head.bias is not None
        and head.padding in {(0, 0), 0, "valid"}
        and head.groups == 1
    )
