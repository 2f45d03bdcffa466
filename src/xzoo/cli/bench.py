"""`xzoo bench`: how fast backbones are on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from xzoo.cli.frame import emit, format_option, say
from xzoo.cli.options import STRATEGIES, not_empty, words
from xzoo.errors import UsageError
from xzoo.runs.following import followed

if TYPE_CHECKING:
    from xzoo.compare.timings import Benchmark

BACKBONES_FAILED = 4


@click.command("bench")
@click.argument("names", nargs=-1, required=True)
@click.option("--engine", default="eager", metavar="A,B|all", callback=not_empty, help="Which engines; all: those that run here.")
@click.option("--precision", metavar="A,B", callback=not_empty, help="bf16, fp32. Default: the hardware's own.")
@click.option("--batch", default="1,16", metavar="N,M", callback=not_empty, help="Images in a batch.")
@click.option(
    "--freeze", default="frozen,finetune", metavar="A,B|none", callback=not_empty, help=f"{STRATEGIES} none: no training."
)
@click.option("--size", type=int, default=0, metavar="N", help="Side of the images in pixels. Default: that of the weights.")
@click.option("--device", default="auto", metavar="NAME", callback=not_empty, help="auto, cpu, cuda or cuda:N.")
@click.option("--seconds", type=float, default=3.0, metavar="S", help="Budget of a row; more narrows the intervals.")
@click.option("--from", "images", metavar="PATH", callback=not_empty, help="Image files to decode. Default: a drawn radiograph.")
@format_option
def command(names: tuple[str, ...], form: str, **asked: Any) -> None:
    """Time NAMES ([distribution:]name[@weights], or ./file.py:name) on engines, and steps of training, against each other.

    Names without @weights start at random where their weights are not on this disk. What fails is told; the others go on.
    """
    found = _followed(names, **asked)
    emit(found, form, lambda: _shown(found))
    if found.failed:
        raise Exit(BACKBONES_FAILED)


def _followed(names: Sequence[str], *, engine: str, precision: str | None, batch: str, freeze: str, **asked: Any) -> Benchmark:
    """Time what is asked for, with a line on stderr for each thing that is being done."""
    from xzoo.compare.benchmark import ask, carry_out

    steps = carry_out(
        ask(
            names,
            engine=words([engine]),
            precision=words([precision or ""]),
            batch=_numbers(batch),
            freeze=() if freeze.strip() == "none" else words([freeze]),
            **asked,
        )
    )
    return followed(steps, say)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in words([text]))
    except ValueError:
        raise UsageError(f"--batch {text!r} is not understood", "give numbers of images, such as 1,16") from None


def _shown(found: Benchmark) -> str:
    from xzoo.report.benchmarks import benchmark_text

    return benchmark_text(found)
