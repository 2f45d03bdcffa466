"""Backbones whose declarations say what is not so; the networks are sound."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import xzoo
from planted.declare import INPUT, STAGES, network, tiny, weights
from planted.sound import AUXILIARIES, TOKENS

if TYPE_CHECKING:
    from torch import nn

KEPT: list[nn.Module] = []


def once() -> nn.Module:
    """Return the same network every time."""
    if not KEPT:
        KEPT.append(network("Tiny"))
    return KEPT[0]


def seeded() -> nn.Module:
    """Return a network that always starts the same."""
    import torch

    torch.manual_seed(0)
    return network("Tiny")


def in_double() -> nn.Module:
    """Return a network in float64, and leave that as torch's default."""
    import torch

    torch.set_default_dtype(torch.float64)
    return network("Tiny")


def patched() -> nn.Module:
    """Return a network for which everyone's ReLU is another one."""
    import torch.nn.functional as functions

    def relu(maps: object, inplace: bool = False) -> object:
        return functions.leaky_relu(maps, 0.01, inplace)  # type: ignore[arg-type]

    functions.relu = relu  # type: ignore[assignment]
    return network("Tiny")


def still() -> nn.Module:
    """Return a network whose stem has been frozen for good."""
    made = network("Tiny")
    for parameter in made.get_submodule("stem").parameters():
        parameter.requires_grad_(False)
    return made


def crashing() -> nn.Module:
    """Return nothing: the process ends."""
    import ctypes

    ctypes.string_at(0)
    return network("Tiny")


def from_disk() -> nn.Module:
    """Return a network that would be pretrained, were its file there."""
    from pathlib import Path

    with contextlib.suppress(OSError):
        Path("~/.cache/planted/weights.pth").expanduser().read_bytes()
    return network("Tiny")


def old_head(old: nn.Module, num_outputs: int) -> nn.Module:
    """Return a head that starts where the published one stands."""
    import torch

    made = torch.nn.Linear(16, num_outputs)
    with torch.no_grad():
        made.weight.copy_(torch.linspace(-1, 1, made.weight.numel()).view(made.weight.shape))
        made.bias.zero_()
    return made


def short_head(old: nn.Module, num_outputs: int) -> nn.Module:
    """Return a head that gives single numbers where there are two classes."""
    from torch import nn

    return nn.Linear(16, 1 if num_outputs == 2 else num_outputs)


def wrong_tensors() -> dict[str, object]:
    """Return published weights in which a layer is missing."""
    made = network("Tiny").state_dict()
    return {name: tensor for name, tensor in made.items() if not name.startswith("layer1.norm")}


def of_torchvision() -> nn.Module:
    """Return somebody else's network."""
    from torchvision.models import squeezenet1_1

    made: nn.Module = squeezenet1_1()
    return made


def published(name: str) -> xzoo.Backbone:
    """Return torchvision's network and file, whose images are scaled as if they were another's."""
    address = "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth"
    return tiny(
        name,
        build=of_torchvision,
        head=xzoo.ReplaceConv("classifier.1", after=("classifier.2", "classifier.3", "flatten")),
        stages={"stem": "features.0", "fire": tuple(f"features.{place}" for place in (3, 4, 6, 7, 9, 10, 11, 12))},
        weights=[weights(url=address, preprocess=xzoo.Preprocess(size=224, mean=(0.5,) * 3, std=(0.5,) * 3, resize=256))],
    )


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield them."""
    yield tiny("planted-once", build=once)
    yield tiny("planted-seeded", build=seeded)
    yield tiny("planted-in-double", build=in_double)
    yield tiny("planted-patched", build=patched)
    yield tiny("planted-still", build=still)
    yield tiny("planted-from-disk", build=from_disk)
    yield tiny("planted-crashing", build=crashing)
    yield tiny("planted-head-path", head=xzoo.ReplaceLinear("head"))
    yield tiny("planted-head-kind", head=xzoo.ReplaceLinear("layer2.conv"))
    yield tiny("planted-head-left", "TwoHeads", stages={**STAGES, "layer2": ("layer2", "other")})
    yield tiny("planted-head-short", head=xzoo.ReplaceHead("fc", short_head))
    yield tiny("planted-head-old", head=xzoo.ReplaceHead("fc", old_head))
    yield tiny("planted-after", "ConvHead", head=xzoo.ReplaceConv("fc", after=("pool", "flatten")))
    yield tiny("planted-squeezed", "Squeezed", head=xzoo.ReplaceConv("fc", after=("pool", "flatten")))
    yield tiny("planted-bias", stages={**STAGES, "layer1": ("layer1.conv.weight", "layer1.norm")})
    yield tiny("planted-twice", stages={**STAGES, "layer2": ("layer2", "layer1.norm")})
    yield tiny("planted-typing-error", stages={**STAGES, "layer2": ("layer2", "layer3")})
    yield tiny("planted-order", stages={"stem": "stem", "layer2": "layer2", "layer1": "layer1"})
    yield tiny("planted-late-norm", stages={**STAGES, "stem": ("stem", "layer1.norm"), "layer1": "layer1.conv"})
    yield _tokens("planted-late-token", stages={**TOKENS, "stem": ("patches", "places"), "block2": ("block2", "norm", "token")})
    yield tiny("planted-aux-swapped", "WithAuxiliaries", auxiliary=[replace(one, output=3 - one.output) for one in AUXILIARIES])
    yield tiny("planted-aux-counted", "WithAuxiliaries", auxiliary=AUXILIARIES, params=3_306)
    yield tiny("planted-one-channel", preprocess=xzoo.Preprocess(size=32, mean=(0.5,), std=(0.5,)))
    yield _tokens("planted-any-size", fixed_size=False)
    yield _tokens("planted-min-size", fixed_size=False, min_size=8)
    yield tiny("planted-fixed", fixed_size=True, min_size=32)
    yield tiny("planted-bytes", preprocess=xzoo.Preprocess(size=32, mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4)))
    yield tiny("planted-too-small", min_size=64)
    yield published("planted-halved")
    yield tiny("planted-params", params=3_000)
    yield tiny("planted-flops", gmacs=0.000276)
    yield tiny("planted-no-licence", licence="")
    yield tiny("planted-no-dataset", weights=[weights(trained_on="")])
    yield tiny("planted-no-hash", weights=[weights(url="https://example.org/planted.pth")])
    yield tiny("planted-shares", weights=[weights(top1=0.601, top5=0.802)])
    yield tiny("planted-strategy", freeze="last")
    yield tiny("planted-excuse", expected_failures=[xzoo.ExpectedFailure("eval-repeat", "it is known", "")])
    yield tiny(
        "planted-tensors", weights=[xzoo.Weights("V1", read=wrong_tensors, licence="MIT", trained_on="X", preprocess=INPUT)]
    )
    yield tiny("planted-leave-out", weights=[_whole()], leave_out=["auxiliary."])


def _whole() -> xzoo.Weights:
    return xzoo.Weights("V1", read=lambda: network("Tiny").state_dict(), licence="MIT", trained_on="X", preprocess=INPUT)


def _tokens(name: str, **changes: object) -> xzoo.Backbone:
    declaration: dict[str, object] = {
        "build": functools.partial(network, "Tokens"),
        "head": xzoo.ReplaceLinear("head"),
        "stages": TOKENS,
        "preprocess": xzoo.Preprocess(size=16, mean=INPUT.mean, std=INPUT.std),
        "fixed_size": True,
        "min_size": 16,
        "freeze": "finetune",
        "licence": "MIT",
        "summary": "two layers of attention over 16 patches",
    }
    return xzoo.Backbone(name=name, **{**declaration, **changes})  # type: ignore[arg-type]
