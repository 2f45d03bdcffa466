"""Residual networks from torchvision: ResNet, ResNeXt and Wide ResNet."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare

RESNET, RESNEXT, WIDE = "https://arxiv.org/abs/1512.03385", "https://arxiv.org/abs/1611.05431", "https://arxiv.org/abs/1605.07146"

NETWORKS = {
    "resnet18": ("18 layers with identity shortcuts", RESNET),
    "resnet34": ("34 layers with identity shortcuts", RESNET),
    "resnet50": ("50 layers in bottlenecks with identity shortcuts", RESNET),
    "resnet101": ("101 layers in bottlenecks with identity shortcuts", RESNET),
    "resnet152": ("152 layers in bottlenecks with identity shortcuts", RESNET),
    "resnext50_32x4d": ("ResNet-50 with convolutions in 32 groups of 4 channels", RESNEXT),
    "resnext101_32x8d": ("ResNet-101 with convolutions in 32 groups of 8 channels", RESNEXT),
    "resnext101_64x4d": ("ResNet-101 with convolutions in 64 groups of 4 channels", RESNEXT),
    "wide_resnet50_2": ("ResNet-50 with bottlenecks twice as wide", WIDE),
    "wide_resnet101_2": ("ResNet-101 with bottlenecks twice as wide", WIDE),
}

STAGES = {"stem": ("conv1", "bn1"), "layer1": "layer1", "layer2": "layer2", "layer3": "layer3", "layer4": "layer4"}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the residual networks."""
    for name, (summary, paper) in NETWORKS.items():
        yield declare(name, head=xzoo.ReplaceLinear("fc"), stages=STAGES, summary=summary, paper=paper)
