"""`xzoo export`: a trained network as files for other programs, each checked against the network itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from xzoo.cli.frame import emit, format_option, say
from xzoo.cli.options import not_empty, words
from xzoo.runs.following import followed

if TYPE_CHECKING:
    from xzoo.compare.exported import Exported


@click.command("export")
@click.argument("run", callback=not_empty)
@click.option(
    "--to", multiple=True, default=("onnx",), help="onnx, openvino, pt2, safetensors; several with commas. Default: onnx."
)
@click.option(
    "-o", "--output", metavar="FOLDER", callback=not_empty, help="Where they go. Default: xzoo-export/ and the cell's name."
)
@click.option("--contender", metavar="ID", callback=not_empty, help="Whose network. Default: the recommended one.")
@click.option("--seed", type=click.IntRange(min=0), help="Which seed. Default: the best on validation of those that were kept.")
@click.option("--data", metavar="PATH", callback=not_empty, help="Where the run's data lies now, if it was moved.")
@click.option("--runs", default="xzoo-runs", metavar="FOLDER", callback=not_empty, help="Where run folders are kept.")
@format_option
def command(run: str, to: tuple[str, ...], output: str | None, form: str, **which: Any) -> None:
    """Export the network that RUN (its path, hash prefix, or last) recommends, with what its images go through.

    Every file is loaded back and must answer test images of the run as PyTorch does; else nothing is kept.
    """
    from xzoo.compare.selection import find

    find(run, contender=which["contender"], seed=which["seed"], runs=which["runs"])

    from xzoo.compare.exporting import ask, carry_out

    found = followed(carry_out(ask(run, output, to=words(to), backbone=None, **which)), say)
    emit(found, form, lambda: _shown(found))


def _shown(found: Exported) -> str:
    from xzoo.report.exports import exported_text

    return exported_text(found)
