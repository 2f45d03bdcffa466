"""The layer at which a network's last picture of the image stands: declared, named, or found in one forward pass.

B = images, C = channels, N = tokens, H, W = pixels, h, w = places of the layer's output
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xzoo.errors import UsageError
from xzoo.evaluate.deployed import Deployed
from xzoo.zoo.maps import MapLayer
from xzoo.zoo.spec import Backbone

REMEDY = "name one: layer=xzoo.MapLayer(path, layout), or declare it as the backbone's map_layer"
_FEWEST_TOKENS = 4
_MOST_STRETCH = math.log(1.5)
"""Borders that convolutions cut off change the sides' ratio, of small grids by up to a half."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """A module's output on one image, in the order in which modules were done."""

    path: str
    output: Tensor


def declared_layer(backbone: Backbone, network: nn.Module) -> MapLayer | None:
    """Return the layer that a backbone declares for its network, or None."""
    declared: MapLayer | Callable[[nn.Module], MapLayer | None] | None = backbone.map_layer
    return declared(network) if callable(declared) else declared


def find_layer(model: Deployed, fitted_1CHW: Tensor) -> MapLayer:
    """Return the declared layer, or the last before the head whose output has the image's shape; of equal outputs the outermost.

    Raises UsageError where there is none, and where tokens come behind it, since their order is the network's own affair.
    """
    if model.map_layer is not None:
        return resolved(model, model.map_layer, fitted_1CHW)
    size = _size(fitted_1CHW)
    seen = _outputs(model, fitted_1CHW)
    places = [place for place, one in enumerate(seen) if layout_of(one.output, size)]
    if not places:
        raise UsageError("no layer of this network has an output that is laid out as the image is", REMEDY)
    last = seen[places[-1]]
    if any(one.output.dim() == 3 and one.output.shape[1] >= _FEWEST_TOKENS for one in seen[places[-1] + 1 :]):
        raise UsageError(
            f"behind {last.path!r} this network works on tokens, and which place each stands for is not declared", REMEDY
        )
    same = [one.path for one in seen if _are_same(one.output, last.output)]
    path = min(same, key=lambda path: (path.count("."), len(path)))
    return MapLayer(path, layout_of(last.output, size) or "")


def resolved(model: Deployed, layer: str | MapLayer, fitted_1CHW: Tensor) -> MapLayer:
    """Return a named layer with its layout. Raises UsageError where there is none, or its output has not the image's shape."""
    path = layer if isinstance(layer, str) else layer.path
    if path not in dict(model.network.named_modules()) or not path:
        raise UsageError(f"the network has no layer {path!r}", "write its path as named_modules() spells it")
    seen = [one for one in _outputs(model, fitted_1CHW, past_head=True) if one.path == path]
    if not seen:
        raise UsageError(f"{path!r} gives no tensor in a forward pass", REMEDY)
    if isinstance(layer, MapLayer):
        pictured(seen[-1].output, layer, _size(fitted_1CHW))
        return layer
    layout = layout_of(seen[-1].output, _size(fitted_1CHW))
    if layout is None:
        shape = tuple(seen[-1].output.shape)
        raise UsageError(f"the output of {path!r}, {shape}, is not laid out as an image of {_size(fitted_1CHW)} is", REMEDY)
    return MapLayer(path, layout)


def layout_of(output: Tensor, size: tuple[int, int]) -> str | None:
    """Return where an output has the image's two sides: "BCHW", "BHWC", or None; a single place is no picture."""
    if output.dim() != 4:
        return None
    found = {}
    for layout, (h, w) in (("BCHW", output.shape[2:]), ("BHWC", output.shape[1:3])):
        if h * w > 1 and h <= size[0] and w <= size[1] and (distance := _stretch(h, w, size)) <= _MOST_STRETCH:
            found[layout] = distance
    return min(found, key=found.__getitem__, default=None)


def pictured(output: Tensor, layer: MapLayer, size: tuple[int, int]) -> Tensor:
    """Return a layer's output as (B,C,h,w). Raises UsageError where it is not what the layer says."""
    expected = {"BCHW": 4, "BHWC": 4, "BNC": 3}[layer.layout]
    if output.dim() != expected:
        raise UsageError(f"the output of {layer.path!r} has the shape {tuple(output.shape)}, not {layer.layout}", REMEDY)
    if layer.layout == "BNC":
        output = _gridded(output[:, layer.prefix_tokens :], layer, size)
    elif layer.layout == "BHWC":
        output = output.permute(0, 3, 1, 2)
    return output


def _gridded(tokens_BNC: Tensor, layer: MapLayer, size: tuple[int, int]) -> Tensor:
    count = int(tokens_BNC.shape[1])
    h = round((count * size[0] / size[1]) ** 0.5)
    if h < 1 or count % h or _stretch(h, count // h, size) > _MOST_STRETCH:
        what = f"{count} tokens of {layer.path!r}, {layer.prefix_tokens} left out in front"
        raise UsageError(f"{what}, make no grid of the shape of {size[0]}x{size[1]}", "correct prefix_tokens")
    return tokens_BNC.transpose(1, 2).reshape(len(tokens_BNC), -1, h, count // h)


def _outputs(model: Deployed, fitted_1CHW: Tensor, *, past_head: bool = False) -> list[_Seen]:
    """Return what every module gives on one image, up to the head where that is known."""
    seen: list[_Seen] = []
    reached: list[int] = []

    def note(_module: nn.Module, _inputs: Any, out: Any, path: str) -> None:
        if isinstance(out, Tensor):
            seen.append(_Seen(path, out.detach()))

    def stop(_module: nn.Module, _inputs: Any) -> None:
        reached.append(len(seen))

    handles = [
        module.register_forward_hook(functools.partial(note, path=path)) for path, module in model.network.named_modules() if path
    ]
    handles += [model.network.get_submodule(path).register_forward_pre_hook(stop) for path in model.head_paths]
    try:
        with torch.no_grad():
            model.logits(fitted_1CHW)
    finally:
        for handle in handles:
            handle.remove()
    return seen if past_head or not reached else seen[: reached[0]]


def _stretch(h: int, w: int, size: tuple[int, int]) -> float:
    """Return how far a grid's sides are from the image's ratio, as the logarithm of a factor."""
    return abs(math.log(h * size[1] / (w * size[0])))


def _are_same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.data_ptr() == b.data_ptr()


def _size(fitted_BCHW: Tensor) -> tuple[int, int]:
    return int(fitted_BCHW.shape[-2]), int(fitted_BCHW.shape[-1])
