"""timm's networks, built without weights, and its own translation of published files. timm is imported in here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

Arguments = tuple[tuple[str, Any], ...]


def network(name: str, arguments: Arguments) -> nn.Module:
    """Return timm's network with random weights; `arguments` are those of `timm.create_model`."""
    import timm

    module: nn.Module = timm.create_model(name, pretrained=False, **dict(arguments))
    return module


def skeleton(name: str, arguments: Arguments) -> nn.Module:
    """Return the network without memory for its tensors."""
    import torch

    with torch.device("meta"):
        return network(name, arguments)


def convert(name: str, arguments: Arguments, module: nn.Module, content: Any) -> Mapping[str, Any]:
    """Return what a file holds under the network's names, as timm's own loading translates it.

    Where timm loads a network without demanding that everything fits, what does not belong to it is left out.
    """
    translate, is_strict = _loading(name, arguments)
    tensors: Mapping[str, Any] = content if translate is None else _translated(translate, content, module)
    if is_strict:
        return tensors
    own = module.state_dict().keys()
    return {key: tensor for key, tensor in tensors.items() if key in own}


def _translated(translate: Callable[..., Any], content: Any, module: nn.Module) -> Mapping[str, Any]:
    # timm hands over a copy: some of its functions take tensors out of what they are given.
    given = dict(content) if isinstance(content, Mapping) else content
    try:
        translated: Mapping[str, Any] = translate(given, module)
    except TypeError:
        # Older ones take the state dict alone, and timm tries in the same order.
        translated = translate(given)
    return translated


@functools.cache
def _loading(name: str, arguments: Arguments) -> tuple[Callable[..., Any] | None, bool]:
    """Return the function by which timm translates a checkpoint of this network, if any, and whether all has to fit.

    timm names the function only to its own loader, so that a build on the meta device goes past a stand-in for the loader.
    """
    from timm.models import _builder

    caught: dict[str, Any] = {}

    def load_pretrained(*_given: Any, filter_fn: Any = None, strict: bool = True, **_named: Any) -> None:
        caught.update(translate=filter_fn, is_strict=strict)

    original = _builder.load_pretrained
    _builder.load_pretrained = load_pretrained
    try:
        import torch

        with torch.device("meta"):
            import timm

            timm.create_model(name, pretrained=True, **dict(arguments))
    finally:
        _builder.load_pretrained = original
    return caught.get("translate"), caught.get("is_strict", True)
