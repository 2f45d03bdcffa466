"""Declares something else in each process: a function that prints its address."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import xzoo
from planted.declare import network, tiny

if TYPE_CHECKING:
    from torch import nn


class Builder:
    """Builds the tiny network when it is called."""

    def __call__(self) -> nn.Module:
        """Return it."""
        return network("Tiny")


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield it."""
    yield tiny("planted-restless", build=Builder())
