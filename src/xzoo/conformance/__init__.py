"""What every backbone must pass, shipped to plugin authors: checks, as a command and as tests, and a suite of benchmarks.

`@xzoo.conformance.parametrize("name")` makes one test of each check. Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xzoo.conformance.cases import Check as Check
    from xzoo.conformance.cases import parametrize as parametrize

_HOMES = {"Check": "xzoo.conformance.cases", "parametrize": "xzoo.conformance.cases"}
__all__ = ["Check", "parametrize"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'xzoo.conformance' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
