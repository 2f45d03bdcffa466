"""`xzoo predict`: the classes of images, by a contender of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from xzoo.cli.frame import emit, format_option, say
from xzoo.cli.options import not_empty

if TYPE_CHECKING:
    from xzoo.compare.inference import Predicted


@click.command("predict")
@click.argument("run", callback=not_empty)
@click.argument("paths", nargs=-1, required=True)
@click.option("--contender", metavar="ID", callback=not_empty, help="Whose network. Default: the recommended one.")
@click.option("--seed", type=click.IntRange(min=0), help="Which seed. Default: the best on validation of those that were kept.")
@click.option("--abstain", type=float, metavar="THRESHOLD", help="No class for an image whose greatest probability is below.")
@click.option(
    "--explain", metavar="FOLDER", callback=not_empty, help="Draw what each answer rests on (Grad-CAM), one PNG per image."
)
@click.option("--device", default="auto", metavar="NAME", callback=not_empty, help="auto, cpu, cuda or cuda:N.")
@click.option("--runs", default="xzoo-runs", metavar="FOLDER", callback=not_empty, help="Where run folders are kept.")
@format_option
def command(run: str, paths: tuple[str, ...], form: str, **how: Any) -> None:
    """Predict the images in PATHS, files or folders, with the network that RUN (its path, hash prefix, or last) recommends.

    Text is CSV: path, label, and the probability of each class.
    """
    from xzoo.compare.selection import find
    from xzoo.data.unlabelled import find_images

    files = find_images(paths)
    find(run, contender=how["contender"], seed=how["seed"], runs=how["runs"])

    from xzoo.compare.inference import predict

    found = predict(run, files, **how)
    emit(found, form, lambda: _shown(found))


def _shown(found: Predicted) -> str:
    from xzoo.report.listing import predicted_text

    say(f"{found.contender}, seed {found.seed}, of {found.run}")
    if found.abstain_below is not None:
        say(f"{found.num_abstained} of {len(found.images)} images have no class: no probability reaches {found.abstain_below:g}")
    if found.explained is not None:
        say(f"what each answer rests on is drawn in {found.explained}")
    return predicted_text(found)
