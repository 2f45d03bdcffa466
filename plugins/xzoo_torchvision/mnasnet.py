"""MNASNets from torchvision (https://arxiv.org/abs/1807.11626)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import xzoo
from xzoo_torchvision.catalogue import declare
from xzoo_torchvision.resolution import by_resolution

if TYPE_CHECKING:
    from torch import Tensor, nn

WIDTHS = {"mnasnet0_5": 0.5, "mnasnet0_75": 0.75, "mnasnet1_0": 1.0, "mnasnet1_3": 1.3}


def build(width: float) -> nn.Module:
    """Return the network, which also loads state dicts without version, as safetensors files are.

    torchvision refuses those with "version should be set to 1 or 2 instead of None"; what it publishes is laid out as version 2.
    """
    from torchvision.models import MNASNet

    class Versioned(MNASNet):  # type: ignore[misc]
        def _load_from_state_dict(self, tensors: dict[str, Tensor], prefix: str, metadata: dict[str, Any], *rest: Any) -> None:
            super()._load_from_state_dict(tensors, prefix, {"version": self._version} | metadata, *rest)

    module: nn.Module = Versioned(width)
    return module


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the MNASNets."""
    for name, width in WIDTHS.items():
        yield declare(
            name,
            functools.partial(build, width),
            head=xzoo.ReplaceLinear("classifier.1"),
            stages=by_resolution("layers"),
            summary=f"searched for speed on a phone, {width} times as wide as the first",
            paper="https://arxiv.org/abs/1807.11626",
        )
