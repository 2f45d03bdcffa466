"""ShuffleNets v2 from torchvision (https://arxiv.org/abs/1807.11164)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare

NETWORKS = {"shufflenet_v2_x0_5": 0.5, "shufflenet_v2_x1_0": 1.0, "shufflenet_v2_x1_5": 1.5, "shufflenet_v2_x2_0": 2.0}

STAGES = {"stem": "conv1", "stage2": "stage2", "stage3": "stage3", "stage4": ("stage4", "conv5")}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the ShuffleNets."""
    for name, width in NETWORKS.items():
        summary = f"split and shuffled channels for speed on a phone, {width} times as wide as the first"
        paper = "https://arxiv.org/abs/1807.11164"
        yield declare(name, head=xzoo.ReplaceLinear("fc"), stages=STAGES, summary=summary, paper=paper)
