"""A recipe as a file of TOML that says of each value what it means, and who gave it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from xzoo.compare.effective import Effective
from xzoo.train.knobs import DEFAULT, TABLE, Knob, Setting
from xzoo.zoo.wording import plain


def recipe_text(found: Effective) -> str:
    """Return a recipe file: read back, it makes the same recipe."""
    return "\n".join([*_head(found), "", f"[{TABLE}]", *(line for one in found.settings for line in _lines(found, one))])


def knobs_table(knobs: tuple[Knob, ...]) -> str:
    """Return every value of a recipe as a Markdown table."""
    rows = [f"| `{one.name}` | `{one.default}` | {one.unit or '-'} | {one.allowed} | {one.meaning} |" for one in knobs]
    return "\n".join(["| value | default | unit | allowed | meaning |", "|---|---|---|---|---|", *rows])


def _head(found: Effective) -> Iterator[str]:
    yield f"# The recipe of run {plain(found.run, keep='')}." if found.run else "# A recipe, each value with who gave it."
    yield "# A later one wins: default, demo, file (--recipe), --set, --epochs and --augment; --vary tries several."
    if found.command:
        yield f"# Made again by: {plain(shlex.join(['xzoo', *found.command, 'THIS_FILE']), keep='')}"


def _lines(found: Effective, one: Setting) -> Iterator[str]:
    unit = f" [{one.unit}]" if one.unit else ""
    yield ""
    yield f"# {one.meaning}{unit}: {one.allowed}"
    if one.name in found.varied:
        yield f"# {one.name} is varied by the command: {', '.join(map(_value, found.varied[one.name]))}"
        return
    source = one.source if one.source == DEFAULT else f"{plain(one.source, keep='')}; default {_value(one.default)}"
    yield f"{one.name} = {_value(one.value)}  # {source}"


def _value(value: Any) -> str:
    # What is in a recipe is a word or a number, and these JSON writes as TOML does.
    return json.dumps(value)
