"""Imports torch when it is declared."""

from __future__ import annotations

from collections.abc import Iterable

import torch

import xzoo
from planted.declare import tiny


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield it."""
    assert torch.float32
    yield tiny("planted-heavy")
