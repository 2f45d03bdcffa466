"""What a plugin has put in place of other people's functions, found by where a function's code is at home."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import Any

_WATCHED = ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torchvision.models", "timm", "numpy")
"""Modules that are looked at also where the plugin itself has imported them."""


def patches(own: str, before: Collection[str]) -> list[str]:
    """Return what of other modules is now the package `own`'s, such as `torch.nn.Linear.forward`.

    `before` names the modules that were imported before the plugin; what it imported itself may know it.
    """
    found = [f"sys.{hooks}" for hooks in ("meta_path", "path_hooks") if own in map(_home, getattr(sys, hooks))]
    for name in sorted({*before, *_WATCHED}):
        module = sys.modules.get(name)
        if module is not None and name.partition(".")[0] != own:
            found += _in_namespace(name, module, own)
    return found


def _in_namespace(name: str, module: Any, own: str) -> Iterator[str]:
    for attribute, value in list(vars(module).items()):
        if _home(value) == own:
            yield f"{name}.{attribute}"
        elif isinstance(value, type) and getattr(value, "__module__", "").partition(".")[0] == name.partition(".")[0]:
            yield from (f"{name}.{attribute}.{part}" for part, one in list(vars(value).items()) if _home(one) == own)


def _home(value: Any) -> str:
    """Return the package in which a function or class was written, also where it wears another's name."""
    try:
        if isinstance(value, type):
            return str(value.__module__).partition(".")[0]
        names = getattr(value, "__globals__", None)
        home = names.get("__name__") if isinstance(names, dict) else type(value).__module__
        return str(home).partition(".")[0]
    except Exception:
        return ""
