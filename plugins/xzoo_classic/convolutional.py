"""Three small convolutional networks: `cnn` flattens what it sees, `convgap` and `convgap-pool4` average it over the image."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import xzoo

if TYPE_CHECKING:
    from torch import nn

SIDE, WIDTH = 256, 32

CONVOLUTIONS = {"conv1": "conv1", "conv2": "conv2", "conv3": "conv3"}


def build_cnn() -> nn.Module:
    """Return three convolutions with pooling 2, a layer of 32 on the flattened 32 x 32 x 32, and one output."""
    from torch import nn

    flat = WIDTH * (SIDE // 8) ** 2
    tail = [("flatten", nn.Flatten()), ("fc1", nn.Linear(flat, WIDTH)), ("relu4", nn.ReLU()), ("fc2", nn.Linear(WIDTH, 1))]
    return nn.Sequential(OrderedDict([*_convolutions(pooling=2), *tail]))


def build_convgap(pooling: int) -> nn.Module:
    """Return three convolutions with this pooling, a global average, and one output."""
    from torch import nn

    tail = [("average", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()), ("fc", nn.Linear(WIDTH, 1))]
    return nn.Sequential(OrderedDict([*_convolutions(pooling), *tail]))


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield cnn, convgap and convgap-pool4."""
    yield _declare(
        "cnn",
        build=build_cnn,
        head=xzoo.ReplaceLinear("fc2"),
        stages={**CONVOLUTIONS, "fc1": "fc1"},
        fixed_size=True,
        min_size=SIDE,
        summary="three convolutions and a layer of 32 on everything they see, from scratch",
        params=1_067_457,
        gmacs=0.2087,
    )
    for name, pooling, gmacs in (("convgap", 2, 0.2076), ("convgap-pool4", 4, 0.059)):
        yield _declare(
            name,
            build=functools.partial(build_convgap, pooling),
            head=xzoo.ReplaceLinear("fc"),
            stages=CONVOLUTIONS,
            min_size=pooling**3,
            summary=f"three convolutions with pooling {pooling}, averaged over the image, from scratch",
            params=18_849,
            gmacs=gmacs,
        )


def _convolutions(pooling: int) -> list[tuple[str, nn.Module]]:
    from torch import nn

    layers: list[tuple[str, nn.Module]] = []
    for number, num_inputs in enumerate((1, WIDTH, WIDTH), 1):
        convolution = nn.Conv2d(num_inputs, WIDTH, kernel_size=3, padding=1)
        layers += [(f"conv{number}", convolution), (f"relu{number}", nn.ReLU()), (f"pool{number}", nn.MaxPool2d(pooling))]
    return layers


def _declare(name: str, **declaration: object) -> xzoo.Backbone:
    preprocess = xzoo.Preprocess(size=SIDE, mean=(0.5,), std=(0.5,))
    return xzoo.Backbone(name=name, preprocess=preprocess, freeze="finetune", licence="Apache-2.0", **declaration)  # type: ignore[arg-type]
