"""Rows of the catalogue: what timm's configurations say of a network, and what is observed on it without memory for its tensors.

A row is made of what JSON can hold, and leaves out what is usual (`USUAL`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xzoo_timm.heads import NOTHING, OVERRIDES, after_head, observed_heads
from xzoo_timm.network import Arguments, skeleton
from xzoo_timm.observe import calls_of
from xzoo_timm.stages import stages_of

if TYPE_CHECKING:
    from torch import nn

Row = dict[str, Any]

USUAL: Mapping[str, Any] = {
    "channels": 3,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "interpolation": "bicubic",
    "crop": 0.875,
    "classes": 1000,
    "licence": "Apache-2.0",
}
LICENCES = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-4.0": "CC-BY-4.0",
    "unknown": "",
}
"""SPDX's spelling of timm's; others stay as timm has them."""

MOST_CLASSES = 1000
_STEP = 32
_SIDES = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448)


def names() -> list[str]:
    """Return the networks of the installed timm, sorted by name; encoders without a classifier are among them."""
    import timm

    return sorted(timm.list_models())


def arguments_of(family: str, classes: int, given: Mapping[str, Any] | None = None) -> Arguments:
    """Return what `timm.create_model` is to be given: the family's own, what a source says (`given`), and the classes."""
    chosen = {**dict(OVERRIDES.get(family, NOTHING).arguments), **(given or {}), "num_classes": classes}
    return tuple(sorted((key, tuple(value) if isinstance(value, list) else value) for key, value in chosen.items()))


def row_of(name: str, given: Mapping[str, Any] | None = None, config: Mapping[str, Any] | None = None) -> tuple[Row, nn.Module]:
    """Return the row of a network, and the network on the meta device.

    `given` are arguments and `config` the configuration of a source outside of timm. Raises LookupError for a name that timm has
    not, ValueError for a network that does not classify.
    """
    import timm
    from timm.models._registry import _model_to_module

    if name not in _model_to_module or name not in timm.list_models(name):
        raise LookupError(f"timm {timm.__version__} has no network {name!r}")
    own = dict(config or configuration(timm.get_pretrained_cfg(name)))
    family = _model_to_module[name]
    classes = own["classes"] or MOST_CLASSES
    module = skeleton(name, arguments_of(family, classes, given))
    heads = observed_heads(module)
    if not heads:
        raise ValueError(f"{name} has no classifier")
    size = seen_size(family, own)
    calls = calls_of(module, size)
    stages = stages_of(module, heads, size, late_in(family, module))
    fixed = not _takes_sizes_around(module, own)
    row = {
        "family": family,
        "classes": classes,
        "heads": heads,
        "conv": len(module.get_submodule(heads[0]).weight.shape) == 4,  # type: ignore[arg-type]
        "after": after_head(heads, calls),
        "fixed": fixed,
        "least": min(own["size"]) if fixed else _least_side(module, own),
        "params": sum(parameter.numel() for parameter in module.parameters()),
        "stages": len(stages),
        "paper": _paper(family, own),
        "input": own,
        "weights": [] if config else [one for one in _published(name) if one],
    }
    return row, module


def seen_size(family: str, own: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the size (C,H,W) of the images on which a network is observed."""
    side = OVERRIDES.get(family, NOTHING).side
    height, width = (side, side) if side else own["size"]
    return own["channels"], height, width


def late_in(family: str, module: nn.Module) -> tuple[str, ...]:
    """Return the bare parameters of the network that join its last stage."""
    bare = dict(module.named_parameters(recurse=False))
    return tuple(name for name in OVERRIDES.get(family, NOTHING).late if name in bare)


def configuration(config: Any) -> Row:
    """Return what a configuration of timm, an object or a mapping, says of input, classes and origin."""
    said = config if isinstance(config, Mapping) else vars(config)
    size = list(said.get("input_size") or (3, 224, 224))
    return {
        "channels": size[0],
        "size": size[1:],
        "mean": list(said.get("mean") or USUAL["mean"]),
        "std": list(said.get("std") or USUAL["std"]),
        "interpolation": said.get("interpolation") or USUAL["interpolation"],
        # What squashes or pads an image to size crops nothing off; beyond 1 a crop is a border.
        "crop": min(1.0, said.get("crop_pct") or 1.0) if (said.get("crop_mode") or "center") == "center" else 1.0,
        "classes": said.get("num_classes", MOST_CLASSES),
        "licence": LICENCES.get(said.get("license") or "", said.get("license") or ""),
        "fixed": bool(said.get("fixed_input_size")),
        "paper": (_texts(said.get("paper_ids")) or [""])[0],
    }


def _published(name: str) -> Iterable[Row]:
    """Yield an entry for each of a network's published files, the default first."""
    from timm.models import _registry

    defaults: Any = _registry._model_default_cfgs[name]
    for tag in defaults.tags:
        config: Any = _registry.get_pretrained_cfg(f"{name}.{tag}" if tag else name)
        address = {"hf": config.hf_hub_id} if config.hf_hub_id else {"url": config.url} if config.url else {}
        if address:
            yield {"tag": tag or "default", **address, **configuration(config)}


def _takes_sizes_around(module: nn.Module, own: Row) -> bool:
    """Whether images of the next sizes work too, whatever timm says: it calls networks fixed that are not, and the other way."""
    height, width = own["size"]
    sizes = [(own["channels"], height + more, width + more) for more in (_STEP, -_STEP) if min(height, width) + more > 0]
    return all(_answers(module, size) for size in sizes)


def _least_side(module: nn.Module, own: Row) -> int:
    """Return the smallest side, of some that are tried, at which the network answers."""
    most: int = min(own["size"])
    return next((side for side in _SIDES if side < most and _answers(module, (own["channels"], side, side))), most)


def _answers(module: nn.Module, size: Sequence[int]) -> bool:
    """Whether the network gives a row for each image of this size, (C,H,W)."""
    try:
        return len(calls_of(module, size).output) == 2
    except Exception:  # a network may refuse a size with whatever its layers raise
        return False


def _paper(family: str, own: Row) -> str:
    """Return the address of the paper that the configuration names, or the only one that timm's module does."""
    found = re.search(r"\d{4}\.\d{4,5}", own["paper"])
    if found is None:
        said = re.findall(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})", sys.modules[f"timm.models.{family}"].__doc__ or "")
        return f"https://arxiv.org/abs/{said[0]}" if len(set(said)) == 1 else ""
    return f"https://arxiv.org/abs/{found[0]}"


def _texts(said: Any) -> list[str]:
    return [said] if isinstance(said, str) else [str(one) for one in said or ()]
