"""`xzoo predict`: the classes of images, by a contender of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click

from xzoo.cli.frame import emit, format_option
from xzoo.cli.options import not_empty

if TYPE_CHECKING:
    from xzoo.compare.inference import Predicted


@click.command("predict")
@click.argument("run", callback=not_empty)
@click.argument("paths", nargs=-1, required=True)
@click.option("--contender", metavar="ID", callback=not_empty, help="Whose network. Default: the recommended one.")
@click.option("--seed", type=click.IntRange(min=0), help="Which seed. Default: the best on validation of those that were kept.")
@click.option("--device", default="auto", metavar="NAME", callback=not_empty, help="auto, cpu, cuda or cuda:N.")
@click.option("--runs", default="xzoo-runs", metavar="FOLDER", callback=not_empty, help="Where run folders are kept.")
@format_option
def command(run: str, paths: tuple[str, ...], form: str, contender: str | None, seed: int | None, device: str, runs: str) -> None:
    """Predict the images in PATHS, files or folders, with the network that RUN (its path, hash prefix, or last) recommends.

    Text is CSV: path, label, and the probability of each class.
    """
    from xzoo.compare.inference import predict

    found = predict(run, paths, contender=contender, seed=seed, runs=runs, device=device)
    emit(found, form, lambda: _shown(found))


def _shown(found: Predicted) -> str:
    from xzoo.report.listing import predicted_text

    click.echo(f"{found.contender}, seed {found.seed}, of {found.run}", err=True)
    return predicted_text(found)
