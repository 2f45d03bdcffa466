"""`xzoo recipe`: the values that training goes by, what they mean, and who gave them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from xzoo.cli.frame import emit, format_option
from xzoo.cli.options import not_empty, recipe_given
from xzoo.errors import UsageError

if TYPE_CHECKING:
    from xzoo.compare.effective import Effective


@click.group("recipe")
def command() -> None:
    """Show the values that training goes by."""


@command.command("show")
@click.argument("run", default="")
@click.option("--recipe", "recipe_file", metavar="FILE", callback=not_empty, help="Values from a TOML file.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A value. Repeatable.")
@click.option("--runs", default="xzoo-runs", metavar="FOLDER", callback=not_empty, help="Where run folders are kept.")
@format_option
def show(run: str, form: str, recipe_file: str | None, settings: tuple[str, ...], runs: str) -> None:
    """Print every value with its meaning, unit, default and source: of RUN (a path, a hash prefix, or last), or as given here.

    What is printed is a recipe file: `xzoo compare ... --recipe FILE` trains by it.
    """
    if run and (recipe_file or settings):
        raise UsageError(f"{run} has its own recipe", "leave out RUN, or --recipe and --set")
    from xzoo.compare import effective
    from xzoo.runs.store import find

    given = recipe_given(settings, recipe_file, None, None)
    found = effective.of_run(find(run, Path(runs))) if run else effective.of_given(given)
    emit(found, form, lambda: _shown(found))


def _shown(found: Effective) -> str:
    from xzoo.report.recipes import recipe_text

    return recipe_text(found)
