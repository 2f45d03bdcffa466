"""SqueezeNets from torchvision, whose head is a convolution (https://arxiv.org/abs/1602.07360)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare

# Fire modules between two poolings make a stage.
STAGES = {
    "squeezenet1_0": {
        "stem": "features.0",
        "fire2-4": ("features.3", "features.4", "features.5"),
        "fire5-8": ("features.7", "features.8", "features.9", "features.10"),
        "fire9": "features.12",
    },
    "squeezenet1_1": {
        "stem": "features.0",
        "fire2-3": ("features.3", "features.4"),
        "fire4-5": ("features.6", "features.7"),
        "fire6-9": ("features.9", "features.10", "features.11", "features.12"),
    },
}

NETWORKS = {
    "squeezenet1_0": (21, "AlexNet's accuracy with 50 times fewer parameters"),
    "squeezenet1_1": (17, "SqueezeNet 1.0 with 2.3 times less computation"),
}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield both SqueezeNets. Behind the head they go on with ReLU, an average over the image, and flatten."""
    for name, (min_size, summary) in NETWORKS.items():
        yield declare(
            name,
            head=xzoo.ReplaceConv("classifier.1", after=("classifier.2", "classifier.3", "flatten")),
            stages=STAGES[name],
            min_size=min_size,
            summary=summary,
            paper="https://arxiv.org/abs/1602.07360",
        )
