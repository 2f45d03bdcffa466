"""Small networks that a node finds by this file: four that learn, and some that fail in ways of their own."""

from __future__ import annotations

import functools
import os
import time
from typing import TYPE_CHECKING

import xzoo

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE = 32
SLOW, QUITS = "XZOO_TESTS_SLOW", "XZOO_TESTS_QUITS"
"""Seconds that each pass of `slow` takes; a file that is there once `quits` has been tried."""


def build(width: int, depth: int, kind: str = "") -> nn.Module:
    from torch import nn

    class Odd(nn.Identity):
        def forward(self, inputs: Tensor) -> Tensor:
            if kind == "slow" and self.training:
                time.sleep(float(os.environ.get(SLOW, "0")))
            if kind == "quits" and self.training:
                os._exit(3)
            if kind == "raises":
                raise ValueError("this network cannot see")
            return inputs

    layers: list[nn.Module] = [nn.Conv2d(1, width, 3, stride=2), nn.BatchNorm2d(width), nn.ReLU(), Odd()]
    for _ in range(depth):
        layers += [nn.Conv2d(width, width, 3, stride=2), nn.ReLU(), nn.Dropout(0.1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def net(name: str, width: int, depth: int, kind: str = "") -> xzoo.Backbone:
    last = 4 + 3 * depth
    return xzoo.Backbone(
        name=name,
        build=functools.partial(build, width, depth, kind),
        head=xzoo.ReplaceLinear(str(last + 2)),
        stages={"stem": ("0", "1"), "body": tuple(str(4 + 3 * place) for place in range(depth))},
        preprocess=xzoo.Preprocess(size=SIDE, mean=(0.5,), std=(0.25,)),
    )


one, two, three, four = net("one", 4, 1), net("two", 6, 1), net("three", 4, 2), net("four", 6, 2)
slow, quits, raises = net("slow", 4, 1, "slow"), net("quits", 4, 1, "quits"), net("raises", 4, 1, "raises")
