"""EfficientNets from torchvision (https://arxiv.org/abs/1905.11946, https://arxiv.org/abs/2104.00298)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare
from xzoo_torchvision.resolution import by_resolution

FIRST, SECOND = "https://arxiv.org/abs/1905.11946", "https://arxiv.org/abs/2104.00298"

NETWORKS = {
    **{
        f"efficientnet_b{size}": (f"scaled in depth, width and resolution together, size {size} of 7", FIRST) for size in range(8)
    },
    **{f"efficientnet_v2_{size}": ("searched for training speed, with fused blocks", SECOND) for size in ("s", "m", "l")},
}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the EfficientNets."""
    for name, (summary, paper) in NETWORKS.items():
        head = xzoo.ReplaceLinear("classifier.1")
        yield declare(name, head=head, stages=by_resolution("features"), summary=summary, paper=paper)
