"""The multilayer perceptron `mlp`: every pixel into three hidden layers of 32."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import xzoo

if TYPE_CHECKING:
    from torch import nn

SIDE, WIDTH = 256, 32


def build() -> nn.Module:
    """Return 65536-32-32-32-1 with ReLU between."""
    from torch import nn

    layers: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
    for number, num_inputs in enumerate((SIDE * SIDE, WIDTH, WIDTH), 1):
        layers += [(f"fc{number}", nn.Linear(num_inputs, WIDTH)), (f"relu{number}", nn.ReLU())]
    return nn.Sequential(OrderedDict([*layers, ("fc4", nn.Linear(WIDTH, 1))]))


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield mlp."""
    yield xzoo.Backbone(
        name="mlp",
        build=build,
        head=xzoo.ReplaceLinear("fc4"),
        stages={"fc1": "fc1", "fc2": "fc2", "fc3": "fc3"},
        freeze="finetune",
        preprocess=xzoo.Preprocess(size=SIDE, mean=(0.5,), std=(0.5,)),
        fixed_size=True,
        min_size=SIDE,
        summary="every pixel into three hidden layers of 32, from scratch",
        licence="Apache-2.0",
        params=2_099_329,
        gmacs=0.0021,
    )
