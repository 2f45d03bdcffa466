"""A family that declares whatever it is asked for."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from planted.declare import tiny


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Family]:
    """Yield it."""
    yield xzoo.Family("planted-greedy", names=lambda: ["one", "two", "one"], get=lambda name: tiny(f"planted-greedy/{name}"))
