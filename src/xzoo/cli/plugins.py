"""`xzoo plugins`: how the installed plugins fare, what is wrong with one, and the beginning of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from xzoo.cli import check
from xzoo.cli.frame import emit, format_option
from xzoo.cli.options import not_empty

if TYPE_CHECKING:
    from xzoo.conformance.repository import Repository
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


command.add_command(check.command)


@command.command("new")
@click.argument("name", callback=not_empty)
@click.option(
    "--path", default=".", metavar="FOLDER", callback=not_empty, help="Where the repository's folder is made. Default: here."
)
@click.option("--licence", type=click.Choice(["Apache-2.0", "MIT", "BSD-3-Clause"]), default="Apache-2.0", help="Of your plugin.")
@format_option
@click.pass_context
def new(context: click.Context, name: str, path: str, licence: str, form: str) -> None:
    """Write a repository for a plugin that offers the backbone NAME: a network, its tests, benchmarks, CI and publishing."""
    from xzoo.conformance.repository import write

    assert context.parent is not None
    made = write(name, Path(path).expanduser(), licence)
    emit(made, "json" if "json" in (form, context.parent.params["form"]) else "text", lambda: _written(made))


def _written(made: Repository) -> str:
    files = (f"  {file}" for file in made.files)
    commands = (f"  {command}" for command in made.next)
    head = f"{made.folder} holds {made.distribution}, which offers the backbone {made.name}:"
    return "\n".join([head, "", *files, "", "next:", *commands])


def _all_well(found: tuple[Health, ...]) -> bool:
    return all(one.health == "ok" for one in found)
