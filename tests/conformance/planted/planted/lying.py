"""Declares another name than its entry point bears."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from planted.declare import tiny


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield it."""
    yield tiny("sound")
