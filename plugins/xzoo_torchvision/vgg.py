"""VGG networks from torchvision, with and without batch norm (https://arxiv.org/abs/1409.1556)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import xzoo
from xzoo_torchvision.catalogue import declare

if TYPE_CHECKING:
    from torch import nn

DEPTHS = (11, 13, 16, 19)


def stages(module: nn.Module) -> Mapping[str, Sequence[str]]:
    """Return block1 to block5, each ending in a pooling, and the two linear layers before the head."""
    from torch.nn import MaxPool2d

    blocks: list[list[str]] = [[]]
    for index, layer in module.get_submodule("features").named_children():
        if isinstance(layer, MaxPool2d):
            blocks.append([])
        elif next(layer.parameters(), None) is not None:
            blocks[-1].append(f"features.{index}")
    named = {f"block{number}": prefixes for number, prefixes in enumerate(blocks[:-1], 1)}
    return {**named, "fc": ("classifier.0", "classifier.3")}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the VGG networks."""
    for depth in DEPTHS:
        for suffix, extra in (("", ""), ("_bn", ", with batch norm")):
            yield declare(
                f"vgg{depth}{suffix}",
                head=xzoo.ReplaceLinear("classifier.6"),
                stages=stages,
                min_size=32,
                summary=f"{depth} layers of 3x3 convolutions and three wide linear layers{extra}",
                paper="https://arxiv.org/abs/1409.1556",
            )
