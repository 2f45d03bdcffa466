"""docs/reference, made of what is declared: `python tests/docs/reference.py` writes it anew, and a test holds it to that."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import xzoo
from xzoo.cli.frame import COMMANDS, group
from xzoo.zoo.registry import Registry

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
WIDTH = 110
MADE = "This page is generated (`python tests/docs/reference.py`), and a test holds it to what is declared."


def prose(text: str) -> str:
    """Return a docstring as a page's text: nothing but what stands between backticks is markup."""
    parts = re.split(r"(`[^`]*`)", inspect.cleandoc(text))
    return "".join(part if number % 2 else re.sub(r"([\\<\[*_])", r"\\\1", part) for number, part in enumerate(parts))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; bars in a cell are no borders."""
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command under its full name, each group before what is in it."""
    yield "xzoo", group
    for name in COMMANDS:
        yield from _below(f"xzoo {name}", import_module(f"xzoo.cli.{name}").command)


def _below(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for below, one in getattr(command, "commands", {}).items():
        yield from _below(f"{name} {below}", one)


def commands_page() -> str:
    """Return the page of the command line."""
    parts = [
        "# Commands",
        MADE,
        "Every option may also stand behind the command's arguments. `--help` shows the same in a terminal.",
    ]
    return "\n\n".join([*parts, *(_command(name, one) for name, one in commands())]) + "\n"


def _command(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    usage = f"```\n{name} {' '.join(command.collect_usage_pieces(context))}\n```"
    rows = [_option(one, context) for one in command.params if isinstance(one, click.Option) and not one.hidden]
    help_text = prose((command.help or "").replace("\b\n", ""))
    parts = [f"## {name}", usage, help_text, table(["option", "what it does"], rows) if rows else ""]
    return "\n\n".join(part for part in parts if part)


def _option(option: click.Option, context: click.Context) -> list[str]:
    words = ", ".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    default = option.default if isinstance(option.default, str | int | float) and not option.is_flag else ""
    told = option.help or ""
    is_told = not default or "default" in told.lower()
    return [f"`{words}{value}`", prose(told if is_told else f"{told} Default: {default}.")]


def python_page() -> str:
    """Return the page of the Python names."""
    text = "Everything here is `xzoo.NAME`. `import xzoo` imports no torch; a name is imported when it is used."
    return "\n\n".join(["# Python", MADE, text, *map(_name, xzoo.__all__)]) + "\n"


def _name(name: str) -> str:
    value = getattr(xzoo, name)
    if isinstance(value, str):
        return f"## {name}\n\nThe version of this installation."
    if not callable(value):
        shown = re.sub(r", (?=\w+=)", ",\n    ", repr(value))
        return f"## {name}\n\n```\n{name} = {shown}\n```\n\n{prose(type(value).__doc__ or '')}"
    parts = [f"## {name}", f"```\n{signature(name, value)}\n```", prose(inspect.getdoc(value) or "")]
    return "\n\n".join([*parts, *(_members(value) if isinstance(value, type) else ())])


def _members(kind: type) -> Iterator[str]:
    for name, member in vars(kind).items():
        function = member.fget if isinstance(member, property) else member
        if not name.startswith("_") and inspect.isfunction(function):
            head = f"{name}" if isinstance(member, property) else signature(name, function)
            yield f"```\n{head}\n```\n\n{prose(inspect.getdoc(function) or '')}"


def signature(name: str, value: Any) -> str:
    """Return how something is called, on several lines where it is long; annotations are as they are written."""
    found = inspect.signature(value)
    parts, is_keyword = [], False
    for one in found.parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not is_keyword:
            parts.append("*")
            is_keyword = True
        parts.append(_parameter(one))
    gives = "" if found.return_annotation in {None, "None", inspect.Signature.empty} else f" -> {_type(found.return_annotation)}"
    line = f"{name}({', '.join(parts)}){gives}"
    if len(line) <= WIDTH:
        return line
    listed = "".join(f"    {part},\n" for part in parts)
    return f"{name}(\n{listed}){gives}"


def _parameter(one: inspect.Parameter) -> str:
    stars = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
    kind = "" if one.annotation is one.empty else f": {_type(one.annotation)}"
    if one.default is one.empty:
        return f"{stars}{one.name}{kind}"
    default = getattr(one.default, "__name__", None) or repr(one.default)
    return f"{one.name}{kind} = {'...' if '<' in default else default}"


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def backbones_page() -> str:
    """Return the page of the backbones that xzoo ships, one section each, without building any."""
    text = (
        "What each of xzoo's own backbones declares: its head, which is replaced; its stages, which are frozen or learn; its "
        "weights. [The catalogue](../catalogue.md) has the same backbones as one table with their sizes, and timm's families. "
        "`xzoo info NAME` counts what is said here on the network itself."
    )
    registry = Registry.installed()
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    names = [name for name in project["entry-points"]["xzoo.backbones"] if name != "timm"]
    return "\n\n".join(["# Backbones", MADE, text, *(_backbone(registry.get(name).backbone) for name in names)]) + "\n"


def _backbone(one: xzoo.Backbone) -> str:
    facts = [
        f"{one.summary[0].upper()}{one.summary[1:]}." if one.summary else "",
        f"{one.params:,} parameters." if one.params else "",
        f"{one.gmacs:.2f} GMACs." if one.gmacs else "",
        f"Takes {one.preprocess.size} pixels alone." if one.fixed_size else "",
        f"Takes {one.min_size} pixels or more." if one.min_size > 1 else "",
        f"Paper: <{one.paper}>." if one.paper.startswith("http") else one.paper,
    ]
    parts = [f"* begins its head at {_head(one)}", f"* stages: {_stages(one.stages)}", f"* default strategy: `{one.freeze}`"]
    parts += (
        [f"* auxiliary heads, in train mode: {', '.join(f'`{each.path}`' for each in one.auxiliary)}"] if one.auxiliary else []
    )
    parts += [] if one.weights else [f"* no published weights: it starts from scratch ({one.licence})"]
    listed = table(["weights", "trained on", "top-1", "input", "licence", "sha256"], [_weights(each) for each in one.weights])
    return "\n\n".join([f"## {one.name}", " ".join(filter(None, facts)), "\n".join(parts), *([listed] if one.weights else [])])


def _head(one: xzoo.Backbone) -> str:
    parts = getattr(one.head, "parts", (one.head,))
    return ", ".join(f"`{part.path}` (`{type(part).__name__}`)" for part in parts)


def _stages(stages: Any) -> str:
    if not isinstance(stages, Mapping):
        return "those of the built network"
    return ", ".join(f"{name} ({_listed((on,) if isinstance(on, str) else on)})" for name, on in stages.items())


def _listed(prefixes: Sequence[str]) -> str:
    return ", ".join(f"`{prefix}`" for prefix in prefixes)


def _weights(one: xzoo.Weights) -> list[str]:
    top1 = "-" if one.top1 is None else f"{one.top1:.2f}"
    height, width = one.preprocess.shape
    sides = f"{height} x {width}" if height != width else f"{height}"
    return [f"`{one.name}`", one.trained_on or "-", top1, sides, one.licence or "-", f"`{one.sha256}`" if one.sha256 else "-"]


PAGES = {"commands.md": commands_page, "python.md": python_page, "backbones.md": backbones_page}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), "utf-8")
