"""Four small networks for `growth.py`, as a user's own file declares them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xzoo

if TYPE_CHECKING:
    from torch import nn


def build() -> nn.Module:
    """Return two convolutions, a pooling and a linear layer."""
    from torch import nn

    first = (nn.Conv2d(3, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 32, 4, stride=4), nn.ReLU())
    return nn.Sequential(*first, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(512, 10))


def declared(name: str) -> xzoo.Backbone:
    """Return them as a backbone of a name."""
    preprocess = xzoo.Preprocess(size=96, mean=(0.5,) * 3, std=(0.25,) * 3)
    return xzoo.Backbone(
        name=name, build=build, head=xzoo.ReplaceLinear("6"), stages={"first": "0", "second": "2"}, preprocess=preprocess
    )


first, second, third, fourth = map(declared, ("first", "second", "third", "fourth"))
