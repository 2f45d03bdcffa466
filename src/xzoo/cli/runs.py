"""`xzoo runs`: what was computed, one run's outcome again, and what differs between two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from xzoo.cli.frame import emit, format_option
from xzoo.cli.options import not_empty

Function = TypeVar("Function", bound=Callable[..., Any])


def runs_option(function: Function) -> Function:
    """Give a command the option `--runs`; behind a subcommand's name it goes before the one in front of it."""
    option = click.option("--runs", metavar="FOLDER", callback=not_empty, help="Where run folders are kept. Default: xzoo-runs.")
    return option(function)


@click.group("runs", invoke_without_command=True)
@runs_option
@format_option
@click.pass_context
def command(context: click.Context, runs: str | None, form: str) -> None:
    """List runs, the newest first; RUN is a path, a hash prefix, or last."""
    if context.invoked_subcommand is not None:
        return
    from xzoo.compare.history import list_runs
    from xzoo.report.listing import runs_text

    folder = _folder(context, runs)
    found = list_runs(folder)
    emit(found, form, lambda: runs_text(found.runs, str(folder)))


@command.command("show")
@click.argument("run", callback=not_empty)
@runs_option
@format_option
@click.pass_context
def show(context: click.Context, run: str, runs: str | None, form: str) -> None:
    """Print what the comparison of RUN said."""
    from xzoo.compare.history import read_outcome
    from xzoo.report.tables import outcome_text
    from xzoo.runs.store import find

    outcome = read_outcome(find(run, _folder(context, runs)))
    emit(outcome, _form(context, form), lambda: outcome_text(outcome))


@command.command("diff")
@click.argument("a", callback=not_empty)
@click.argument("b", callback=not_empty)
@runs_option
@format_option
@click.pass_context
def diff(context: click.Context, a: str, b: str, runs: str | None, form: str) -> None:
    """Show what changed from run A to run B: what they were made of, then what came out."""
    from xzoo.compare.difference import compare_runs
    from xzoo.report.listing import difference_text
    from xzoo.runs.store import find

    folder = _folder(context, runs)
    difference = compare_runs(find(a, folder), find(b, folder))
    emit(difference, _form(context, form), lambda: difference_text(difference))


@command.command("export")
@click.argument("run", callback=not_empty)
@click.argument("folder", callback=not_empty)
@click.option("--to", type=click.Choice(["tensorboard", "mlflow"]), required=True, help="Which tool reads it; an extra of xzoo.")
@runs_option
@format_option
@click.pass_context
def export(context: click.Context, run: str, folder: str, to: str, runs: str | None, form: str) -> None:
    """Write the curves, figures and recipes of RUN's cells into FOLDER, for TensorBoard or MLflow."""
    from xzoo.compare.tracking import export_run
    from xzoo.runs.store import find

    made = export_run(find(run, _folder(context, runs)), to, folder)
    emit(made, _form(context, form), lambda: f"{made.cells} cells of {made.run} are in {made.path}; to see them: {made.open}")


def _folder(context: click.Context, runs: str | None) -> Path:
    return Path(runs or (context.parent.params.get("runs") if context.parent else None) or "xzoo-runs")


def _form(context: click.Context, form: str) -> str:
    assert context.parent is not None
    return "json" if "json" in (form, context.parent.params["form"]) else "text"
