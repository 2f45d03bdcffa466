"""A check: a function from what is examined to what is wrong with it, with a name and one sentence that says what it demands."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xzoo.conformance.verdicts import Fault, Note

if TYPE_CHECKING:
    from xzoo.conformance.subject import Subject

Find = Callable[["Subject"], Iterable[Fault | Note]]

ROOMS = (
    *(
        "declaration",
        "provenance",
        "building",
        "coverage",
        "inputs",
        "outputs",
        "ordering",
        "evaluating",
        "learning",
        "auxiliary",
    ),
    *("figures", "state", "deployment", "manners"),
)
"""The modules of checks, in the order in which they are carried out: what others rest on comes first."""

_ALL: dict[str, Definition] = {}


@dataclass(frozen=True)
class Definition:
    """A check as it is written: `find` yields what is wrong, `demand` is its docstring."""

    name: str
    demand: str
    find: Find


def check(find: Find) -> Find:
    """Make a check of a function: its name with hyphens, and the one sentence of its docstring."""
    name, demand = find.__name__.replace("_", "-"), " ".join((find.__doc__ or "").split())
    assert demand, f"{name} does not say what it demands"
    assert name not in _ALL, f"two checks are called {name}"
    _ALL[name] = Definition(name, demand, find)
    return find


def checks() -> tuple[Definition, ...]:
    """Return every check, in the order in which they are carried out. Imports torch."""
    for room in ROOMS:
        importlib.import_module(f"xzoo.conformance.checks.{room}")
    return tuple(sorted(_ALL.values(), key=lambda one: ROOMS.index(one.find.__module__.rpartition(".")[2])))
