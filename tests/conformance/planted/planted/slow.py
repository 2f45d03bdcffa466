"""Takes its time."""

from __future__ import annotations

import time
from collections.abc import Iterable

import xzoo
from planted.declare import tiny

time.sleep(2.2)


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield it."""
    yield tiny("planted-slow")
