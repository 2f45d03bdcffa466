"""`xzoo plugins`: how the installed plugins fare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from xzoo.cli.frame import emit, format_option

if TYPE_CHECKING:
    from xzoo.zoo.health import Health

NOT_WELL = 1


@click.group("plugins", invoke_without_command=True)
@click.option("--strict", is_flag=True, help="Exit with 1 unless every plugin is ok.")
@format_option
@click.pass_context
def command(context: click.Context, strict: bool, form: str) -> None:
    """Show how every installed plugin fares when it is asked for its backbones, each distribution in a process of its own.

    ok; careless: it works, with side effects; clash: another offers the same name; broken: it cannot be used.
    """
    if context.invoked_subcommand is not None:
        return
    from xzoo.report.plugins import plugins_text
    from xzoo.zoo import health
    from xzoo.zoo.registry import Registry

    found = health.examine(Registry.installed())
    emit({"schema": "xzoo.plugins/1", "plugins": found}, form, lambda: plugins_text(found))
    if strict and not _all_well(found):
        raise Exit(NOT_WELL)


def _all_well(found: tuple[Health, ...]) -> bool:
    return all(one.health == "ok" for one in found)
