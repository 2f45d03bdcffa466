"""GoogLeNet, Inception v1, from torchvision (https://arxiv.org/abs/1409.4842)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import xzoo
from xzoo_torchvision.catalogue import declare

if TYPE_CHECKING:
    from torch import nn


def build() -> nn.Module:
    """Return the network with both auxiliary heads; it expects pixels in [-1, 1]."""
    from torchvision.models import GoogLeNet

    module: nn.Module = GoogLeNet(aux_logits=True, transform_input=False, init_weights=True)
    return module


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield googlenet. Its outputs in train mode are (main, aux2, aux1), in this order; the paper's loss share is 0.3 each."""
    yield declare(
        "googlenet",
        build,
        half=True,
        head=xzoo.ReplaceLinear("fc"),
        stages={
            "stem": ("conv1", "conv2", "conv3"),
            "inception3": ("inception3a", "inception3b"),
            "inception4": ("inception4a", "inception4b", "inception4c", "inception4d", "inception4e"),
            "inception5": ("inception5a", "inception5b"),
        },
        auxiliary=(
            xzoo.Auxiliary(path="aux1", head=xzoo.ReplaceLinear("aux1.fc2"), output=2, weight=0.3),
            xzoo.Auxiliary(path="aux2", head=xzoo.ReplaceLinear("aux2.fc2"), output=1, weight=0.3),
        ),
        # torchvision warns that the auxiliary heads in its checkpoint were never trained.
        leave_out=("aux1.", "aux2."),
        min_size=15,
        summary="nine Inception blocks with parallel 1x1, 3x3 and pooling paths; two auxiliary heads while it learns",
        paper="https://arxiv.org/abs/1409.4842",
    )
