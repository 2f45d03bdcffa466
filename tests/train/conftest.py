"""A small network without dropout, images for it that a loop can learn by heart, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.model.classifier import Classifier
from xzoo.model.classifier import build as build_classifier
from xzoo.train.device import Device

SIDE = 8
INPUT = xzoo.Preprocess(size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)


@dataclass(frozen=True, eq=False)
class Fixed:
    """The same batches in every epoch."""

    images_BCHW: Tensor
    labels_B: Tensor
    size: int
    seed: int = 0

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.labels_B) // self.size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield them, from batch number `start` on."""
        del epoch
        for place in range(start * self.size, len(self.labels_B), self.size):
            yield self.images_BCHW[place : place + self.size], self.labels_B[place : place + self.size]


def build() -> nn.Module:
    """Return two convolutions with batch norm, which would take a bias away again, and ten outputs."""
    stem, block = [nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6)], [nn.Conv2d(6, 8, 3, bias=False), nn.BatchNorm2d(8)]
    return nn.Sequential(*stem, nn.ReLU(), *block, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


@pytest.fixture(scope="session")
def plain() -> xzoo.Backbone:
    """Two stages, `stem` (modules 0 and 1) and `block` (3 and 4), and the head 8; no dropout."""
    stages = {"stem": ("0", "1"), "block": ("3", "4")}
    return xzoo.Backbone(name="plain", build=build, head=xzoo.ReplaceLinear("8"), stages=stages, preprocess=INPUT)


@pytest.fixture
def classifier_of() -> Callable[..., Classifier]:
    """Make a classifier of a backbone, always from the same start."""

    def make(backbone: xzoo.Backbone, num_outputs: int = 2, **options: Any) -> Classifier:
        torch.manual_seed(0)
        return build_classifier(
            backbone.build(), backbone, num_outputs, **{"seed": 0, "size": backbone.preprocess.shape, **options}
        )

    return make


@pytest.fixture
def eight() -> Fixed:
    """Eight images of noise in two classes, three in a batch."""
    images_BCHW = torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return Fixed(images_BCHW, torch.arange(8) % 2, 3)


@pytest.fixture
def device() -> Device:
    return Device("cpu", "fp32", 1)
