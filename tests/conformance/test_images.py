"""The values at which networks are examined."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.conformance import images
from xzoo.conformance.numerics import deviation
from xzoo.conformance.subject import Subject

DEPTH = 10


class Wave(nn.Module):
    """Folds its input over and over, so that small differences grow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, features_BCHW: Tensor) -> Tensor:
        return torch.sin(3 * self.norm(self.conv(features_BCHW)))


def build() -> nn.Module:
    waves = [Wave() for _ in range(DEPTH)]
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *waves, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10))


def wavy() -> Subject:
    return Subject(
        xzoo.Backbone(
            name="wavy",
            build=build,
            head=xzoo.ReplaceLinear(str(DEPTH + 3)),
            stages={"all": tuple(str(place) for place in range(DEPTH + 1))},
            preprocess=xzoo.Preprocess(size=16, mean=(0.5,) * 3, std=(0.5,) * 3),
            min_size=16,
        )
    )


def growth_of_a_change(subject: Subject) -> float:
    alive, images_BCHW = subject.alive, subject.images_BCHW
    with torch.no_grad():
        return deviation(alive.features(images_BCHW * (1 + 1e-6)), alive.features(images_BCHW)) / 1e-6


def test_a_network_that_amplifies_rounding_is_examined_where_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = growth_of_a_change(wavy())
    monkeypatch.setattr(images, "_HALVINGS", 0)
    assert growth_of_a_change(wavy()) > 1e4
    assert calm < 1e3
