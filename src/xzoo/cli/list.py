"""`xzoo list`: names from metadata alone; figures where a name, a family or a filter asks for them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from xzoo.cli.frame import emit, format_option
from xzoo.errors import UsageError

if TYPE_CHECKING:
    from xzoo.zoo.listing import NameRow, Row

SCHEMA = "xzoo.list/1"
_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}


class Count(click.ParamType[float]):
    """A number of things, also as 5M, 300k or 1.2e6."""

    name = "N"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d+)?)([kmb]?)", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no number: write 5M, 300k or 5000000", param, ctx)
        return float(found[1]) * _FACTORS[found[2]]


def _svg(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.lower().endswith(".svg"):
        raise click.BadParameter(f"{value!r} does not end in .svg, the form that pictures are written in", ctx, param)
    return value


@click.command("list")
@click.argument("pattern", default="")
@click.option("--max-params", type=Count(), metavar="N", help="At most so many parameters, such as 10M.")
@click.option(
    "--min-top1", type=click.FloatRange(0, 100), metavar="PERCENT", help="With weights of at least this ImageNet top-1."
)
@click.option("--licence", default="", metavar="WORD", help="With weights whose licence has this in its name, such as apache.")
@click.option("--plot", is_flag=True, help="Draw published accuracy against GMACs, bubbles by parameters.")
@click.option("-o", "--output", metavar="FILE", callback=_svg, help="With --plot: write the picture to a file that ends in .svg.")
@format_option
def command(
    pattern: str, max_params: float | None, min_top1: float | None, licence: str, form: str, *, plot: bool, output: str | None
) -> None:
    """Show the backbones that are installed, or those that PATTERN is part of.

    PATTERN may hold * and ?; with a family's name, such as timm or 'timm/convnext*', it looks into the family. A filter looks
    into families too, and shows the backbones of the best top-1 first.
    """
    from xzoo.report import backbones
    from xzoo.zoo import listing
    from xzoo.zoo.registry import Registry

    if output is not None and not plot:
        raise UsageError("-o names a file for a picture, and none is asked for", "add --plot")
    registry, wanted = Registry.installed(), listing.Wanted(max_params, min_top1, licence)
    looks_inside = listing.looks_inside(registry, pattern, wanted)
    if looks_inside or plot:
        found = listing.look(registry, pattern, wanted, asks_all=plot)
        if plot:
            # Members of families are drawn where they would be listed too.
            drawn = [row for row in found.rows if looks_inside or "/" not in row.name]
            _drawn(drawn, found.notes, form, output)
            return
        answer = {"schema": SCHEMA, "backbones": found.rows, "notes": found.notes}
        emit(answer, form, lambda: backbones.listing_text(found) or _nothing(pattern))
        return
    rows = listing.names(registry, pattern)
    families = {} if pattern else listing.families(registry)
    width = shutil.get_terminal_size().columns
    emit(
        {"schema": SCHEMA, "backbones": rows, "families": families},
        form,
        lambda: (backbones.lines_text(rows) if pattern else backbones.names_text(rows, families, width)) or _nothing(pattern),
    )


def _drawn(rows: Sequence[Row | NameRow], notes: Sequence[str], form: str, output: str | None) -> None:
    """Print the picture of rows, or write it to a file and print where it lies."""
    from xzoo import durable
    from xzoo.data.items import printable
    from xzoo.report.landscape import landscape, landscape_text
    from xzoo.report.landscape_svg import landscape_svg

    found = landscape(rows)
    if output is not None:
        durable.write_bytes(Path(output).expanduser(), landscape_svg(found).encode())
    width = shutil.get_terminal_size().columns
    emit(
        {"schema": SCHEMA, "backbones": rows, "notes": notes, "plot": found},
        form,
        lambda: printable(output) if output is not None else landscape_text(found, width),
    )


def _nothing(pattern: str) -> str:
    return f"no backbone matches {pattern!r}" if pattern else "no backbone is installed"
