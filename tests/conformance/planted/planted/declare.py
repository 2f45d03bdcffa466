"""The declaration of the tiny network, of which each plant changes something."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

import xzoo

if TYPE_CHECKING:
    from torch import nn

STAGES = {"stem": "stem", "layer1": "layer1", "layer2": "layer2"}
INPUT = xzoo.Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def network(kind: str) -> nn.Module:
    """Return a network of the modules that hold them."""
    homes = [importlib.import_module(f"planted.{home}") for home in ("networks", "unsteady", "careless", "entangled")]
    made: nn.Module = next(getattr(home, kind) for home in homes if hasattr(home, kind))()
    return made


def tiny(name: str, kind: str = "Tiny", **changes: Any) -> xzoo.Backbone:
    """Return the sound declaration, with changes."""
    declaration: dict[str, Any] = {
        "build": functools.partial(network, kind),
        "head": xzoo.ReplaceLinear("fc"),
        "stages": STAGES,
        "preprocess": INPUT,
        "freeze": "finetune",
        "licence": "MIT",
        "summary": "three blocks and a linear head",
    }
    return xzoo.Backbone(name=name, **{**declaration, **changes})


def weights(**changes: Any) -> xzoo.Weights:
    """Return a sound declaration of published weights that are on nobody's disk, with changes."""
    declaration: dict[str, Any] = {
        "url": "https://example.org/planted-0123abcd.pth",
        "licence": "MIT",
        "trained_on": "ImageNet-1k",
        "preprocess": INPUT,
        "top1": 60.1,
        "top5": 80.2,
    }
    return xzoo.Weights("V1", **{**declaration, **changes})
