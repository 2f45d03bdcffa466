"""`xzoo explain`: why a run's test figures differ from its validation figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from xzoo.cli.frame import emit, format_option, say
from xzoo.cli.options import not_empty
from xzoo.runs.following import followed

if TYPE_CHECKING:
    from xzoo.compare.explanation import Explanation


@click.command("explain")
@click.argument("run", callback=not_empty)
@click.option("--contender", "contenders", multiple=True, help="Which contender; repeatable. Default: the recommended one.")
@click.option("--data", metavar="PATH", callback=not_empty, help="Where the run's data lies now, if it was moved.")
@click.option("--group", metavar="REGEX", callback=not_empty, help="As the run was given it.")
@click.option(
    "--redraws", type=click.IntRange(min=0), default=5, help="How often all images are pooled and drawn anew; 0 leaves it out."
)
@click.option("--retrain", is_flag=True, help="Pool and redraw also what is trained whole, which takes its time.")
@click.option("--device", default="auto", metavar="NAME", callback=not_empty, help="auto, cpu, cuda or cuda:N.")
@click.option("--runs", default="xzoo-runs", metavar="FOLDER", callback=not_empty, help="Where run folders are kept.")
@format_option
def command(run: str, form: str, **asked: Any) -> None:
    """Say why test figures of RUN (a path, a hash's beginning, or last) differ from its validation figures.

    The drop is taken apart, each cause is asked for, and all images are pooled and drawn anew to see whether it goes.
    """
    found = _followed(run, **asked)
    emit(found, form, lambda: _shown(found))


def _followed(run: str, **asked: Any) -> Explanation:
    """Carry it out, with a line on stderr for each thing that is being done."""
    from xzoo.compare.question import ask

    meant = ask(run, backbone=None, **asked)

    from xzoo.compare.autopsy import carry_out

    return followed(carry_out(meant), say)


def _shown(found: Explanation) -> str:
    from xzoo.report.autopsies import explanation_text

    return explanation_text(found)
