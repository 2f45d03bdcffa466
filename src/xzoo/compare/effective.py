"""The recipe that is in force: each value, who gave it, and the command that makes a run again with the recipe as a file."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xzoo.compare.history import read_cells
from xzoo.compare.plan import DEMO_RECIPE
from xzoo.runs.store import RunFolder
from xzoo.train import knobs
from xzoo.train.knobs import Setting

SCHEMA = "xzoo.recipe/1"


@dataclass(frozen=True)
class Effective:
    """A recipe with the source of each value. Its fields are those of the machine output `xzoo.recipe/1`.

    `varied` are values of which the run tries several, all of them; a file cannot hold these, and the command does. `command` are
    the words behind `xzoo` that make the run again with the recipe as a file at their end; none where only Python can say them.
    """

    settings: Sequence[Setting]
    run: str = ""
    varied: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    command: Sequence[str] = ()
    schema: str = SCHEMA


def of_given(given: Mapping[str, tuple[Any, str]]) -> Effective:
    """Return the recipe that values with their sources make. Raises UsageError."""
    return Effective(knobs.settings(given))


def of_run(folder: RunFolder) -> Effective:
    """Return the recipe of a run. Raises StorageError where its plan cannot be read."""
    plan = folder.plan()
    recipes = [cell.recipe for cell in read_cells(folder, plan)]
    values = {name: list(dict.fromkeys(recipe[name] for recipe in recipes)) for name in recipes[0]}
    command = tuple(str(word) for word in plan.get("command", ()))
    given = {name: (found[0], _source(name, found, command)) for name, found in values.items()}
    return Effective(
        settings=knobs.settings(given),
        run=folder.path.resolve().name,
        varied={name: found for name, found in values.items() if len(found) > 1},
        command=_with_file(command),
    )


def _source(name: str, found: Sequence[Any], command: Sequence[str]) -> str:
    """Return who gave a value of a run: `--set` stands in its command for a file and for the short options too."""
    if len(found) > 1:
        return "--vary"
    if any(word.partition("=")[0] == name for option, word in itertools.pairwise(command) if option == "--set"):
        return "--set"
    default = next(knob.default for knob in knobs.knobs() if knob.name == name)
    if found[0] == default:
        return knobs.DEFAULT
    return "the demo" if name == "size" or DEMO_RECIPE.get(name) == found[0] else "python"


def _with_file(command: Sequence[str]) -> tuple[str, ...]:
    kept: list[str] = []
    words = iter(command)
    for word in words:
        if word == "--set":
            next(words, None)
        else:
            kept.append(word)
    return (*kept, "--recipe") if kept else ()
