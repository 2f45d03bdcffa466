"""What a plugin has put in place of other people's functions, found by where a function's code is at home."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from types import FunctionType
from typing import Any

_WATCHED = ("torch", "torch.nn", "torch.nn.functional", "torch.optim", "torchvision.models", "timm", "numpy")
"""Modules that are looked at also where the plugin itself has imported them."""
_EVERYBODYS = {*sys.stdlib_module_names, *(name.partition(".")[0] for name in _WATCHED), "xzoo"} - {"__main__"}
"""Packages in which nobody puts their own; a program or a test that imports from a plugin does."""


def patches(own: str, before: Collection[str]) -> list[str]:
    """Return what of other modules is now the package `own`'s, such as `torch.nn.Linear.forward`.

    `before` names the modules that were imported before the plugin; what it imported itself may know it.
    """
    found = [f"sys.{hooks}" for hooks in ("meta_path", "path_hooks") if own in map(_home, getattr(sys, hooks))]
    for name in sorted({*before, *_WATCHED}):
        module = sys.modules.get(name)
        if module is not None and name.partition(".")[0] in _EVERYBODYS - {own}:
            found += _in_namespace(name, module, own)
    return found


def _in_namespace(name: str, module: Any, own: str) -> Iterator[str]:
    for attribute, value in list(vars(module).items()):
        if _home(value) == own:
            yield f"{name}.{attribute}"
        elif _is_class(value) and _home(value) == name.partition(".")[0]:
            yield from (f"{name}.{attribute}.{part}" for part, one in list(vars(value).items()) if _home(one) == own)


def _home(value: Any) -> str:
    """Return the package in which a function, a class, or a value's class was written, also where it wears another's name."""
    if type(value) is FunctionType:
        home = value.__globals__.get("__name__")
    else:
        # Values are not asked for attributes: some import something, or warn, when they are.
        home = vars(value if _is_class(value) else type(value)).get("__module__")
    return home.partition(".")[0] if type(home) is str else ""


def _is_class(value: Any) -> bool:
    return issubclass(type(value), type)
