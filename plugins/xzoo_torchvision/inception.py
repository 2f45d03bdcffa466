"""Inception v3, from torchvision (https://arxiv.org/abs/1512.00567)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import xzoo
from xzoo_torchvision.catalogue import declare

if TYPE_CHECKING:
    from torch import nn


def build() -> nn.Module:
    """Return the network with its auxiliary head; it expects pixels in [-1, 1]."""
    from torchvision.models import Inception3

    module: nn.Module = Inception3(aux_logits=True, transform_input=False, init_weights=True)
    return module


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield inception_v3. Its auxiliary head is published trained; PyTorch's fine-tuning tutorial gives it 0.4 of a loss."""
    yield declare(
        "inception_v3",
        build,
        half=True,
        head=xzoo.ReplaceLinear("fc"),
        stages={
            "stem": ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
            "mixed5": ("Mixed_5b", "Mixed_5c", "Mixed_5d"),
            "mixed6": ("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
            "mixed7": ("Mixed_7a", "Mixed_7b", "Mixed_7c"),
        },
        auxiliary=(xzoo.Auxiliary(path="AuxLogits", head=xzoo.ReplaceLinear("AuxLogits.fc"), output=1, weight=0.4),),
        # torchvision publishes 27,161,264, which counts the auxiliary head that only training needs.
        params=23_834_568,
        # Evaluation goes down to 75; the auxiliary head's last convolution needs all of 299.
        min_size=299,
        summary="Inception blocks with factorised convolutions; an auxiliary head while it learns",
        paper="https://arxiv.org/abs/1512.00567",
    )
