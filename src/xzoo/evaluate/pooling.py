"""Adaptive pooling as products with constants, for formats that know none.

B = images in a batch, C = channels, H, W = sides before pooling, h, w = sides after it
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn


class FixedPooling(nn.Module):
    """What `nn.AdaptiveAvgPool2d` makes of images of one size: means over windows, as two products."""

    rows_hH: Tensor
    columns_Ww: Tensor

    def __init__(self, before: tuple[int, int], after: tuple[int, int], *, is_kept: bool = True) -> None:
        super().__init__()
        self.register_buffer("rows_hH", _means(before[0], after[0]), persistent=is_kept)
        self.register_buffer("columns_Ww", _means(before[1], after[1]).T.contiguous(), persistent=is_kept)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the means (B,C,h,w)."""
        return self.rows_hH @ images_BCHW @ self.columns_Ww


def with_fixed_pooling(module: nn.Module, images_BCHW: Tensor) -> nn.Module:
    """Replace, in place, each adaptive pooling to sides that do not divide those before it, and return the module.

    The exporter to ONNX refuses these (torch.onnx, symbolic of adaptive_avg_pool2d): AlexNet's and VGG's at sizes other than 224.
    """
    for path, before, after in _poolings(module, images_BCHW):
        if any(side % pooled for side, pooled in zip(before, after, strict=True)):
            _replace(module, path, FixedPooling(before, after))
    return module


def with_repeating_pooling(module: nn.Module, images_BCHW: Tensor) -> nn.Module:
    """Replace, in place, each adaptive pooling to more than one mean by what gives the same every time, and return the module.

    On CUDA its gradient adds in the order of arrival (https://github.com/pytorch/pytorch/issues/50198). Where it changes no side,
    as AlexNet's and VGG's at 224 pixels, it is the identity, to the bit; else it becomes products. No tensor comes or goes in the
    state dict. One mean per channel is what torch computes otherwise, and repeats.
    """
    for path, before, after in _poolings(module, images_BCHW):
        if after != (1, 1):
            _replace(module, path, nn.Identity() if before == after else FixedPooling(before, after, is_kept=False))
    return module


def _replace(module: nn.Module, path: str, new: nn.Module) -> None:
    parent, _, last = path.rpartition(".")
    setattr(module.get_submodule(parent), last, new.train(module.get_submodule(path).training))


Sides = tuple[int, int]


def _poolings(module: nn.Module, images_BCHW: Tensor) -> list[tuple[str, Sides, Sides]]:
    """Return the path of each adaptive pooling with the sides before and after it, of those that always meet the same."""
    found: dict[str, set[tuple[Sides, Sides]]] = {}

    def note(_module: nn.Module, inputs: tuple[Any, ...], out: Tensor, path: str) -> None:
        before, after = inputs[0].shape[-2:], out.shape[-2:]
        found.setdefault(path, set()).add(((before[0], before[1]), (after[0], after[1])))

    handles = [
        part.register_forward_hook(functools.partial(note, path=path))
        for path, part in module.named_modules()
        if type(part) is nn.AdaptiveAvgPool2d
    ]
    try:
        with torch.no_grad():
            module(images_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    return [(path, *next(iter(sizes))) for path, sizes in found.items() if len(sizes) == 1]


def _means(before: int, after: int) -> Tensor:
    """Return a matrix (after, before) whose rows take the mean of a window, from floor(i H/h) to ceil((i + 1) H/h)."""
    means = torch.zeros(after, before)
    for place in range(after):
        first, end = place * before // after, -(-(place + 1) * before // after)
        means[place, first:end] = 1 / (end - first)
    return means
