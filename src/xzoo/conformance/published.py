"""What torchvision and timm publish of the input of their own networks, held against a declaration."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from xzoo.conformance.subject import Subject
from xzoo.zoo.spec import Preprocess, Weights

Difference = tuple[str, object, object]

_TOLERANCE = 1e-3
_HALF = (0.5, 0.5, 0.5)


def differences(on: Subject) -> list[Difference] | None:
    """Return what is declared otherwise than published: its name, ours, theirs. None: there is nothing to compare."""
    network = on.built.skeleton
    home = type(network).__module__.partition(".")[0]
    found: list[Difference] = []
    num_compared = 0
    for weights in on.backbone.weights:
        theirs = _SOURCES[home](weights, network) if home in _SOURCES else None
        if theirs is not None:
            num_compared += 1
            found += _compared(weights.name, weights.preprocess, theirs)
    return found if num_compared else None


def _compared(name: str, ours: Preprocess, theirs: Mapping[str, Any]) -> Iterator[Difference]:
    declared = {
        "size": ours.shape,
        "mean": ours.mean,
        "std": ours.std,
        "interpolation": ours.interpolation,
        "resize": ours.resize,
    }
    for field, published in theirs.items():
        if published is not None and not _near(declared[field], published):
            yield f"of the weights {name} the {field}", declared[field], published


def _near(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, tuple) and isinstance(theirs, tuple) and len(ours) == len(theirs):
        return all(math.isclose(a, b, abs_tol=_TOLERANCE) for a, b in zip(ours, theirs, strict=True))
    return bool(ours == theirs)


def _of_torchvision(weights: Weights, network: nn.Module) -> Mapping[str, Any] | None:
    entry = _entries().get(weights.url)
    if entry is None:
        return None
    preset = entry.transforms()
    mean, std = tuple(preset.mean), tuple(preset.std)
    # Where torchvision scales inside the network (`transform_input`), a declaration that leaves it out scales before.
    if entry.meta.get("transform_input") or _transforms(network):
        mean, std = _HALF, _HALF
    side, crop = preset.resize_size, preset.crop_size
    return {
        "size": (crop[0], crop[0]) if len(crop) == 1 else tuple(crop),
        "mean": mean,
        "std": std,
        "interpolation": preset.interpolation.value,
        "resize": side[0],
    }


def _transforms(network: nn.Module) -> bool:
    """Whether torchvision loads the weights of such a network together with a transformation of its input."""
    return getattr(network, "transform_input", None) is False


@functools.cache
def _entries() -> Mapping[str, Any]:
    from torchvision import models

    return {entry.url: entry for name in models.list_models() for entry in models.get_model_weights(name)}


def _of_timm(weights: Weights, network: nn.Module) -> Mapping[str, Any] | None:
    config = _config(weights, network)
    if config is None or not config.get("input_size"):
        return None
    _, height, width = config["input_size"]
    # What is squashed or padded to size is cropped by nothing, and a share beyond 1 is a border.
    share = min(1.0, config.get("crop_pct") or 1.0) if (config.get("crop_mode") or "center") == "center" else 1.0
    return {
        "size": (height, width),
        "mean": tuple(config["mean"]),
        "std": tuple(config["std"]),
        "interpolation": config.get("interpolation"),
        "resize": math.floor(min(height, width) / share),
    }


def _config(weights: Weights, network: nn.Module) -> Mapping[str, Any] | None:
    """Return timm's configuration of these weights: the network's own where it names the same file, else that of the tag."""
    own = getattr(network, "pretrained_cfg", None)
    if own is None:
        return None
    repository = "/".join(weights.hf.split("/")[:2]).partition("@")[0]
    for config in (own, _tagged(f"{own.get('architecture', '')}.{weights.name}")):
        if config is None:
            continue
        if (repository and repository == config.get("hf_hub_id")) or (weights.url and weights.url == config.get("url")):
            return dict(config)
    return None


def _tagged(name: str) -> Mapping[str, Any] | None:
    import timm

    found = timm.get_pretrained_cfg(name)
    return dict(found.to_dict()) if found is not None else None  # type: ignore[no-untyped-call]


_SOURCES = {"torchvision": _of_torchvision, "timm": _of_timm}
