"""Sound backbones, one of each kind that the plants are made of."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import xzoo
from planted.declare import INPUT, STAGES, network, tiny, weights

if TYPE_CHECKING:
    from torch import nn

AUXILIARIES = (
    xzoo.Auxiliary(path="aux1", head=xzoo.ReplaceLinear("aux1.2"), output=2, weight=0.3),
    xzoo.Auxiliary(path="aux2", head=xzoo.ReplaceLinear("aux2.2"), output=1, weight=0.3),
)
TOKENS = {"stem": ("patches", "token", "places"), "block1": "block1", "block2": ("block2", "norm")}
AFTER = ("pool", "flatten")


def relu_pool_flatten() -> tuple[object, ...]:
    """Return what ConvHead does behind its head."""

    def relu(maps: object) -> object:
        from torch.nn.functional import relu as of_torch

        return of_torch(maps)  # type: ignore[arg-type]

    return relu, *AFTER


def by_children(module: nn.Module) -> Mapping[str, str]:
    """Return stages as a function of the network."""
    return {name: name for name, _ in module.named_children() if name.startswith(("stem", "layer"))}


def two(name: str) -> xzoo.Backbone:
    """Return the network with two heads."""
    return tiny(name, "TwoHeads", head=xzoo.ReplaceSeveral((xzoo.ReplaceLinear("fc"), xzoo.ReplaceLinear("other"))))


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield them."""
    yield tiny("sound", stages=by_children, params=3_086, gmacs=0.000138)
    yield tiny("sound-weights", weights=[weights()], freeze="frozen")
    yield tiny("sound-auxiliaries", "WithAuxiliaries", auxiliary=AUXILIARIES, params=3_086)
    yield tiny("sound-convolution", "ConvHead", head=xzoo.ReplaceConv("fc", after=relu_pool_flatten()))  # type: ignore[arg-type]
    yield two("sound-heads")
    yield xzoo.Backbone(
        name="sound-tokens",
        build=functools.partial(network, "Tokens"),
        head=xzoo.ReplaceLinear("head"),
        stages=TOKENS,
        preprocess=xzoo.Preprocess(size=16, mean=INPUT.mean, std=INPUT.std),
        fixed_size=True,
        min_size=16,
        freeze="finetune",
        licence="MIT",
        summary="two layers of attention over 16 patches",
    )


assert set(STAGES) == {"stem", "layer1", "layer2"}
