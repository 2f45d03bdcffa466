"""AlexNet, from torchvision (https://arxiv.org/abs/1404.5997)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield alexnet. Nearly all of its parameters, 58.6 of 61.1 million, are in its three linear layers."""
    yield declare(
        "alexnet",
        head=xzoo.ReplaceLinear("classifier.6"),
        stages={
            "conv1": "features.0",
            "conv2": "features.3",
            "conv3-5": ("features.6", "features.8", "features.10"),
            "fc": ("classifier.1", "classifier.4"),
        },
        min_size=63,
        summary="five convolutions and three linear layers, in the one-tower form of 2014",
        paper="https://arxiv.org/abs/1404.5997",
    )
