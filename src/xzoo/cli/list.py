"""`xzoo list`: names from metadata alone; a family's own names only where its name is asked for."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import Any

import rich_click as click

from xzoo.cli.frame import emit, format_option


@click.command("list")
@click.argument("pattern", default="")
@format_option
def command(pattern: str, form: str) -> None:
    """Show the backbones that are installed, or those that PATTERN is part of.

    PATTERN may hold * and ?; with a family's name and a slash, such as timm/, it looks into the family.
    """
    from xzoo.zoo.registry import Registry

    registry = Registry.installed()
    rows = [
        {"name": name, "distribution": offer.distribution, "version": offer.version}
        for offer in (registry.family_offers(pattern.partition("/")[0]) if "/" in pattern else registry.offers)
        for name in (registry.members(offer) if "/" in pattern else (offer.name,))
        if _matches(name, pattern)
    ]
    emit({"schema": "xzoo.list/1", "backbones": rows}, form, lambda: _text(rows, pattern))


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) if set(pattern) & set("*?[") else pattern in name


def _text(rows: list[dict[str, Any]], pattern: str) -> str:
    if not rows:
        return f"no backbone matches {pattern!r}" if pattern else "no backbone is installed"
    width = max(len(row["name"]) for row in rows)
    lines = [f"{row['name']:{width}}  {row['distribution']} {row['version']}" for row in rows]
    twice = [name for name, count in Counter(row["name"] for row in rows).items() if count > 1]
    lines += [f"{name} is offered more than once: ask for DISTRIBUTION:{name}" for name in twice]
    return "\n".join(lines)
