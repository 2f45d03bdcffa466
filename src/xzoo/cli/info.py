"""`xzoo info`: what a backbone is, counted on the network itself, and drawn."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click

from xzoo.cli.frame import emit, format_option

if TYPE_CHECKING:
    from xzoo.model.facts import Facts


@click.command("info")
@click.argument("names", nargs=-1, required=True)
@format_option
def command(names: tuple[str, ...], form: str) -> None:
    """Show parameters, cost, stages, weights, and what would learn, of each of NAMES; two of them side by side."""
    from xzoo.zoo.registry import Registry

    registry = Registry.installed()
    choices = [registry.get(name) for name in names]

    from xzoo.model.facts import describe

    facts = [describe(choice) for choice in choices]
    emit({"schema": "xzoo.info/1", "backbones": facts}, form, lambda: _shown(facts))


def _shown(facts: Sequence[Facts]) -> str:
    from xzoo.report.portraits import pair, portrait

    width = shutil.get_terminal_size().columns
    if len(facts) == 2:
        one, other = facts
        return pair(one, other, width)
    return "\n\n".join(portrait(one, width) for one in facts)
