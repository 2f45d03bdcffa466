"""`xzoo report`: what runs found, as a file to read, to publish, or to go on with."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from xzoo.cli.frame import emit
from xzoo.cli.options import not_empty

FORMS = ("html", "markdown", "csv", "latex", "json", "card")
PAGE, CARDS = "xzoo-report.html", "xzoo-cards"


@click.command("report")
@click.argument("names", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    help="Page, text, tables, JSON, or model cards. Default: as the file ends, else html.",
)
@click.option(
    "-o", "--output", metavar="PATH", callback=not_empty, help=f"Where it goes. Default: {PAGE}, {CARDS}/; others to stdout."
)
@click.option("--audit", metavar="FILE", callback=not_empty, help="What `xzoo audit --format json` printed of the same data.")
@click.option("--data", metavar="PATH", callback=not_empty, help="Where the run's images lie now, if they were moved.")
@click.option("--runs", default="xzoo-runs", metavar="FOLDER", callback=not_empty, help="Where run folders are kept.")
def command(names: tuple[str, ...], form: str | None, output: str | None, audit: str | None, data: str | None, runs: str) -> None:
    """Report RUNs (each a path, a hash prefix, or last): one HTML file that needs no network, or Markdown, CSV, LaTeX.

    With --format card, a folder for each trained model: its Hugging Face card, and the CLAIM and TRIPOD+AI checklists.
    Nothing is trained: everything is read from the run folders.
    """
    from xzoo import durable
    from xzoo.data.items import printable
    from xzoo.report import writing

    form = form or writing.SUFFIXES.get(Path(output or PAGE).suffix.lower(), "html")
    writing.check_data(data, form)
    if form == "card":
        goals = writing.write_cards(names, Path(output or CARDS).expanduser(), runs, audit)
        click.echo("\n".join(printable(str(goal)) for goal in goals))
        return
    found = writing.gather(names, runs, audit, data, pictured=form == "html")
    path = output or (PAGE if form == "html" else None)
    if path is not None:
        durable.write_bytes(Path(path).expanduser(), writing.FORMS[form](found).encode())
    emit({"schema": writing.SCHEMA, "reports": found}, form, lambda: path or writing.FORMS[form](found).rstrip("\n"))
