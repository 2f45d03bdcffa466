"""From a name to a declaration: the published figures of `weights.json` joined with what a plugin says of its network."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xzoo

if TYPE_CHECKING:
    from torch import nn

HALF = (0.5, 0.5, 0.5)


def declare(name: str, build: Callable[[], nn.Module] | None = None, *, half: bool = False, **declaration: Any) -> xzoo.Backbone:
    """Return the backbone `name` with every published entry of weights; `declaration` is passed on to `Backbone`.

    Without `build`, torchvision's builder of that name is called. `half` states that pixels are scaled to [-1, 1]: torchvision
    does this inside the network (`transform_input`), here it is preprocessing.
    """
    row = table()[name]
    weights = [_weights(entry, half) for entry in row["weights"]]
    figures = {"params": row["params"], "gmacs": row["gmacs"], "preprocess": weights[0].preprocess, "licence": "BSD-3-Clause"}
    return xzoo.Backbone(name=name, build=build or functools.partial(network, name), weights=weights, **(figures | declaration))


def network(name: str) -> nn.Module:
    """Return torchvision's network `name` with random weights and 1000 outputs."""
    from torchvision import models

    module: nn.Module = models.get_model(name, weights=None)
    return module


@functools.cache
def table() -> Mapping[str, Any]:
    """Read the published figures; `generate.py` makes the file."""
    content: Mapping[str, Any] = json.loads(Path(__file__).with_name("weights.json").read_text("utf-8"))
    return content


def _weights(entry: Mapping[str, Any], half: bool) -> xzoo.Weights:
    preprocess = xzoo.Preprocess(
        size=entry["size"],
        resize=entry["resize"],
        mean=tuple(entry["mean"]),
        std=tuple(entry["std"]),
        interpolation=entry["interpolation"],
    )
    return xzoo.Weights(
        entry["name"],
        url=entry["url"],
        licence=entry["licence"],
        top1=entry["top1"],
        top5=entry["top5"],
        trained_on="ImageNet-1k",
        preprocess=dataclasses.replace(preprocess, mean=HALF, std=HALF) if half else preprocess,
    )
