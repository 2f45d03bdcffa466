"""Stages of networks that are one long list of layers: a stage begins where the picture is halved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

Stages = Mapping[str, str | tuple[str, ...]]


def by_resolution(path: str, **after: str) -> Callable[[nn.Module], Stages]:
    """Return a function from a module to its stages: the list at `path` as stem, stage1, stage2, ..., then `after`.

    The stem works at half the input's resolution; each stage at half of the one before.
    """

    def stages(module: nn.Module) -> Stages:
        groups: list[list[str]] = [[]]
        for name, layer in module.get_submodule(path).named_children():
            if _halves(layer) and groups[0]:
                groups.append([])
            if next(layer.parameters(), None) is not None:
                groups[-1].append(f"{path}.{name}")
        named = {f"stage{number}" if number else "stem": tuple(group) for number, group in enumerate(groups)}
        return {**named, **after}

    return stages


def _halves(layer: nn.Module) -> bool:
    from torch.nn import Conv2d

    return any(isinstance(part, Conv2d) and part.stride == (2, 2) for part in layer.modules())
