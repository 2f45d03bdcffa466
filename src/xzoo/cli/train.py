"""`xzoo train`: compare with one contender and one seed."""

from __future__ import annotations

from typing import Any

import rich_click as click
from click.exceptions import Exit

from xzoo.cli import forecast
from xzoo.cli.frame import emit, format_option
from xzoo.cli.options import STRATEGIES, shared_options


@click.command("train")
@click.argument("name")
@click.option("--freeze", metavar="STRATEGY", help=f"{STRATEGIES} Default: the backbone's own.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, help="Draws the split, the head's start, the order and the augmentation."
)
@shared_options
@format_option
def command(name: str, form: str, freeze: str | None, seed: int, dry_run: bool, **rest: Any) -> None:
    """Train NAME ([distribution:]name[@weights], or ./file.py:name) with one strategy and one seed."""
    from xzoo.zoo.registry import Registry

    own = Registry.installed().get(name).freeze if freeze is None else freeze
    if dry_run:
        forecast.show((name,), form, freeze=(own,), seeds=(seed,), **rest)
        return
    from xzoo.cli.compare import CELLS_FAILED, carry_out
    from xzoo.report.tables import outcome_text

    outcome = carry_out((name,), freeze=(own,), seeds=(seed,), **rest)
    emit(outcome, form, lambda: outcome_text(outcome))
    if outcome.failed:
        raise Exit(CELLS_FAILED)
