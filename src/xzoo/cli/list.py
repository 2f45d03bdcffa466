"""`xzoo list`: names from metadata alone; figures where a name, a family or a filter asks for them."""

from __future__ import annotations

import re
import shutil

import rich_click as click

from xzoo.cli.frame import emit, format_option

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


@click.command("list")
@click.argument("pattern", default="")
@click.option("--max-params", type=Count(), metavar="N", help="At most so many parameters, such as 10M.")
@click.option(
    "--min-top1", type=click.FloatRange(0, 100), metavar="PERCENT", help="With weights of at least this ImageNet top-1."
)
@click.option("--licence", default="", metavar="WORD", help="With weights whose licence has this in its name, such as apache.")
@format_option
def command(pattern: str, max_params: float | None, min_top1: float | None, licence: str, form: str) -> None:
    """Show the backbones that are installed, or those that PATTERN is part of.

    PATTERN may hold * and ?; with a family's name, such as timm or 'timm/convnext*', it looks into the family. A filter looks
    into families too, and shows the backbones of the best top-1 first.
    """
    from xzoo.report import backbones
    from xzoo.zoo import listing
    from xzoo.zoo.registry import Registry

    registry, wanted = Registry.installed(), listing.Wanted(max_params, min_top1, licence)
    if listing.looks_inside(registry, pattern, wanted):
        found = listing.look(registry, pattern, wanted)
        answer = {"schema": "xzoo.list/1", "backbones": found.rows, "notes": found.notes}
        emit(answer, form, lambda: backbones.listing_text(found) or _nothing(pattern))
        return
    rows = listing.names(registry, pattern)
    families = {} if pattern else listing.families(registry)
    width = shutil.get_terminal_size().columns
    emit(
        {"schema": "xzoo.list/1", "backbones": rows, "families": families},
        form,
        lambda: (backbones.lines_text(rows) if pattern else backbones.names_text(rows, families, width)) or _nothing(pattern),
    )


def _nothing(pattern: str) -> str:
    return f"no backbone matches {pattern!r}" if pattern else "no backbone is installed"
