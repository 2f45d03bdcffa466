"""A plugin as a stranger would write it: a small network, one with published weights, and a family."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import xzoo

if TYPE_CHECKING:
    from torch import nn

URL = "http://127.0.0.1:9/tiny-0123abcd.pth"


def build() -> nn.Module:
    """Return two linear layers behind a flattened 2 x 2 image."""
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 5))


def declare(name: str, weights: Iterable[xzoo.Weights] = ()) -> xzoo.Backbone:
    """Declare the network under a name."""
    return xzoo.Backbone(
        name=name,
        build=build,
        head=xzoo.ReplaceLinear("3"),
        stages={"body": "1"},
        weights=tuple(weights),
        preprocess=xzoo.Preprocess(size=2, mean=(0.5,), std=(0.5,)),
    )


def member(name: str) -> xzoo.Backbone:
    """Declare a member of the family."""
    if name not in {"one", "two"}:
        raise KeyError(name)
    return declare(f"fam/{name}")


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone | xzoo.Family]:
    """Yield all three."""
    yield declare("tiny", [xzoo.Weights("V1", url=URL, preprocess=xzoo.Preprocess(size=2, mean=(0.5,), std=(0.5,)))])
    yield declare("twin")
    yield xzoo.Family("fam", names=lambda: ["one", "two"], get=member)
