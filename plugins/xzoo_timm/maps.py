"""Where class activation maps look in networks of tokens. Of others the last picture is found in a forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import xzoo

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Tokens:
    """Where a family's tokens are in the order of the picture's places; in paths `*` is the last of a list.

    Where a class token answers, it is what the last of `blocks` reads, by the norm in front of its attention: behind it the other
    tokens answer for nothing, and before the norm, which forgets scale, what each of them adds would always be 0. Where places
    are pooled, it is what is `pooled`. `prefix` is how many tokens stand in front, or the attribute that says it.
    """

    blocks: str = "blocks.*"
    norms: tuple[str, ...] = ("norm1", "in_norm")
    pooled: str = "norm"
    prefix: str | int = "num_prefix_tokens"


FAMILIES: Mapping[str, Tokens] = {
    "beit": Tokens(),
    "cait": Tokens("blocks_token_only.*"),
    "coat": Tokens("serial_blocks4.*", prefix=1),
    "convit": Tokens(),
    "deit": Tokens(),
    "efficientformer": Tokens(prefix=0),
    "eva": Tokens(),
    "hiera": Tokens(pooled="blocks.*", prefix=0),
    "levit": Tokens(pooled="stages.*", prefix=0),
    "mlp_mixer": Tokens(prefix=0),
    "mvitv2": Tokens("stages.*.blocks.*"),
    "naflexvit": Tokens(),
    "pit": Tokens("transformers.*.blocks.*", prefix="num_tokens"),
    "tnt": Tokens(norms=("norm_out",)),
    "twins": Tokens(prefix=0),
    "vision_transformer": Tokens(),
    "vision_transformer_hybrid": Tokens(),
    "vision_transformer_relpos": Tokens(),
    "vitamin": Tokens(),
    "volo": Tokens("post_network.*", prefix=1),
    "xcit": Tokens("cls_attn_blocks.*"),
}
"""By timm's module."""

AFTER_ATTENTION = ("ResPostBlock", "ResPostRelPosBlock", "EvaBlockPostNorm")
"""Blocks whose norms come behind their attention, which reads what the block before gives."""

SEVERAL_GRIDS, CONVOLUTIONS = "parallel_blocks", "use_conv"


def map_layer(family: str, module: nn.Module) -> xzoo.MapLayer | None:
    """Return the layer of one of timm's networks; None where it is not known, or found without being declared.

    CrossViT and CoaT's parallel blocks have tokens of several grids, so that there is no one map. LeViT is made of convolutions
    too.
    """
    tokens = FAMILIES.get(family)
    if tokens is None or getattr(module, SEVERAL_GRIDS, None) is not None or getattr(module, CONVOLUTIONS, False):
        return None
    path = _read_last(tokens, module) if getattr(module, "global_pool", "") == "token" else _last(module, tokens.pooled)
    prefix = tokens.prefix if isinstance(tokens.prefix, int) else int(getattr(module, tokens.prefix))
    return xzoo.MapLayer(path, "BNC", prefix) if path else None


def _read_last(tokens: Tokens, module: nn.Module) -> str | None:
    """Return what the last attention reads; None where it stands under no name that is known."""
    path = _last(module, tokens.blocks)
    block = module.get_submodule(path)
    if type(block).__name__ in AFTER_ATTENTION:
        return _last(module, tokens.blocks, but=1)
    return next((f"{path}.{name}" for name in tokens.norms if hasattr(block, name)), None)


def _last(module: nn.Module, path: str, but: int = 0) -> str:
    """Return a path with each `*` replaced by the last name there; the last `*` by the one that has `but` others behind it."""
    found, words = "", path.split(".")
    for place, word in enumerate(words):
        behind = but if place == len(words) - 1 else 0
        names = [name for name, _ in module.get_submodule(found).named_children()]
        found = f"{found}.{names[-1 - behind] if word == '*' else word}".lstrip(".")
    return found
