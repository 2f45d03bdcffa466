"""Greets when it is imported, and sets a variable for everyone."""

from __future__ import annotations

import os
from collections.abc import Iterable

import xzoo
from planted.declare import tiny

print("planted: version 1.0, thank you for using it")
os.environ["PLANTED_WAS_HERE"] = "1"


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield it."""
    yield tiny("planted-loud")
