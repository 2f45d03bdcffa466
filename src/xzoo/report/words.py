"""Values as the words that templates show: figures with their intervals, names that no terminal or page can trip over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xzoo.data.items import listed, printable
from xzoo.report import tables
from xzoo.report.drawing import tick_text
from xzoo.report.sections.curves import LINES, Curve, Line
from xzoo.report.sections.discrimination import Shape
from xzoo.report.sections.freezing import Slope
from xzoo.report.sections.latency import LatencyRow
from xzoo.report.sections.leaderboard import Row
from xzoo.report.sections.tradeoffs import Point
from xzoo.runs.result import Finding

LONGEST_NAME = 90


def finalised(value: Any) -> Any:
    """Return what a template shows of a value: text with control characters written out; markup that templates made as it is."""
    return value if hasattr(value, "__html__") or not isinstance(value, str) else printable(value)


def name(text: str) -> str:
    """Return a name in one line that fits a table: what is too long loses its middle."""
    shown = printable(text)
    half = LONGEST_NAME // 2
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:half]}…{shown[-half:]}"


def tail(text: str) -> str:
    """Return the last part of an image's id, its file's own name; an id that is no path is shown whole."""
    return name(text.rstrip("/").rpartition("/")[2])


def sentence(text: str) -> str:
    """Return words that begin with a capital letter and end without a full stop."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".")


def fixed(value: float | None, digits: int) -> str:
    """Return a number with so many digits behind the point; `-` for none."""
    return "-" if value is None else f"{value:.{digits}f}"


def count(value: int | None) -> str:
    """Return a number in groups of three digits; `-` for none."""
    return "-" if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """Return a number of parameters in millions where it is that large; `-` for none."""
    return count(value) if value is None or value < 1_000_000 else f"{value / 1e6:.2f} M"


def plain(measure: Mapping[str, Any] | None) -> str:
    """Return a share without its interval."""
    return tables.share(measure, with_interval=False)


def around(measure: Mapping[str, Any]) -> str:
    """Return the interval of a share and the deviation between seeds, as they stand behind its value."""
    return tables.share(measure).partition(" ")[2]


def groups(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return findings of one kind together, in the order in which the kinds first come."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        found.setdefault((one.severity, one.id), []).append(one)
    return list(found.values())


def places(row: Row) -> str:
    """Return a row's rank, as a range where it is open; `-` for none."""
    return "-" if row.rank is None else tables.places(row.rank, row.worst_rank)


def told(curve: Curve) -> str:
    """Return in a sentence where a contender's curves end."""
    ends = {line: curve.lines[line].mean[-1] for line in LINES}
    return (
        f"At the end training loss {fixed(ends['train_loss'], 3)} and validation loss {fixed(ends['val_loss'], 3)}, "
        f"training accuracy {fixed(ends['train_accuracy'], 3)} and validation accuracy {fixed(ends['val_accuracy'], 3)}"
    )


def means(curve: Curve) -> list[list[float | None]]:
    """Return a curve's means in the order of `LINES`, to four digits, for the readout beside the pointer."""
    return [[None if one is None else round(one, 4) for one in curve.lines[line].mean] for line in LINES]


def points(line: Line) -> list[tuple[float, float | None]]:
    """Return a line's means by epoch, counted from 1."""
    return [(epoch, value) for epoch, value in enumerate(line.mean, 1)]


def rows(line: Line) -> list[tuple[float, float | None, float | None]]:
    """Return a line's least and greatest values by epoch, counted from 1."""
    return [(epoch, low, high) for epoch, (low, high) in enumerate(zip(line.low, line.high, strict=True), 1)]


def band(shape: Shape, xs: Sequence[float]) -> list[tuple[float, float, float]]:
    """Return the ends of a curve's band by place."""
    return list(zip(xs, shape.low, shape.high, strict=True))


def middle(shape: Shape, xs: Sequence[float]) -> list[tuple[float, float]]:
    """Return a curve's mean by place."""
    return list(zip(xs, shape.mean, strict=True))


def firsts(bins: Sequence[tuple[float, ...]]) -> list[tuple[float, float]]:
    """Return what was said and what came true of each bin."""
    return [(one[0], one[1]) for one in bins]


def steps(slope: Slope, strategies: Sequence[str]) -> list[tuple[float, float]]:
    """Return a backbone's accuracies by the place of their strategy; one that it was not trained under is passed over."""
    return [(place, slope.accuracy[name]) for place, name in enumerate(strategies) if name in slope.accuracy]


def spans(found: Sequence[LatencyRow]) -> list[float | None]:
    """Return every percentile at batch 1, between which a picture of them reaches."""
    return [value for row in found for value in (row.batches[0].p50_ms, row.batches[0].p90_ms, row.batches[0].p99_ms)]


def by_size(found: Sequence[Point]) -> list[Point]:
    """Return points so that the small ones are drawn over the large ones."""
    return sorted(found, key=lambda one: -(one.params or 0))


def pair(point: Point) -> tuple[float, float]:
    """Return where a point lies."""
    return point.cost, point.accuracy


FILTERS: Mapping[str, Callable[..., Any]] = {
    "around": around,
    "band": band,
    "by_size": by_size,
    "count": count,
    "firsts": firsts,
    "fixed": fixed,
    "groups": groups,
    "listed": lambda names: listed(names) or "-",
    "means": means,
    "middle": middle,
    "name": name,
    "pair": pair,
    "places": places,
    "plain": plain,
    "points": points,
    "rows": rows,
    "sentence": sentence,
    "share": tables.share,
    "size": size,
    "spans": spans,
    "steps": steps,
    "tick": tick_text,
    "tail": tail,
    "told": told,
}
