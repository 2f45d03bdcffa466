"""Vision transformers from torchvision (https://arxiv.org/abs/2010.11929)."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import xzoo
from xzoo_torchvision.catalogue import declare

if TYPE_CHECKING:
    from torch import nn

# A name with a number behind it is the same network for images of that size: its position embedding is another.
NETWORKS = {
    "vit_b_16": ("vit_b_16", 224),
    "vit_b_16-384": ("vit_b_16", 384),
    "vit_b_32": ("vit_b_32", 224),
    "vit_l_16": ("vit_l_16", 224),
    "vit_l_16-512": ("vit_l_16", 512),
    "vit_l_32": ("vit_l_32", 224),
    "vit_h_14": ("vit_h_14", 224),
    "vit_h_14-518": ("vit_h_14", 518),
}

NUM_GROUPS = 4

# Most of the published checkpoints are older than torchvision's MLP module, which counts its layers instead of naming them.
RENAME = ((r"\.mlp\.linear_1\.", ".mlp.0."), (r"\.mlp\.linear_2\.", ".mlp.3."))


def build(network: str, size: int) -> nn.Module:
    """Return the network for images of this size."""
    from torchvision import models

    module: nn.Module = models.get_model(network, weights=None, image_size=size)
    return module


def stages(module: nn.Module) -> Mapping[str, tuple[str, ...]]:
    """Return the embedding and four groups of as many layers; the last norm goes with the last group."""
    layers = [f"encoder.layers.{name}" for name, _ in module.get_submodule("encoder.layers").named_children()]
    length = len(layers) // NUM_GROUPS
    groups = [layers[place : place + length] for place in range(0, len(layers), length)]
    groups[-1].append("encoder.ln")
    named = {f"blocks{number}": tuple(group) for number, group in enumerate(groups, 1)}
    return {"stem": ("conv_proj", "class_token", "encoder.pos_embedding"), **named}


def map_layer(module: nn.Module) -> xzoo.MapLayer:
    """Return the tokens that the last attention sees: behind it only the class token is used."""
    last = [name for name, _ in module.get_submodule("encoder.layers").named_children()][-1]
    return xzoo.MapLayer(f"encoder.layers.{last}.ln_1", "BNC", prefix_tokens=1)


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the vision transformers. Their weights named SWAG are for non-commercial use."""
    for name, (network, size) in NETWORKS.items():
        patch = network.rsplit("_", 1)[1]
        yield declare(
            name,
            functools.partial(build, network, size),
            head=xzoo.ReplaceLinear("heads.head"),
            stages=stages,
            map_layer=map_layer,
            rename=RENAME,
            fixed_size=True,
            min_size=size,
            summary=f"a transformer on patches of {patch} pixels of an image of {size}",
            paper="https://arxiv.org/abs/2010.11929",
        )
