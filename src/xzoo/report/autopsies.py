"""An explanation as text for a terminal: the drop, its parts, every cause, and what pooling gives."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from xzoo.compare.explanation import Autopsy, Explanation
from xzoo.report.tables import WIDTH, table
from xzoo.runs.result import Measure


def explanation_text(found: Explanation) -> str:
    """Return the whole answer, contender by contender."""
    return "\n\n".join(part for one in found.contenders for part in _parts(one))


def _parts(one: Autopsy) -> Iterator[str]:
    yield textwrap.fill(f"{one.contender}: {_headline(one)}", WIDTH, subsequent_indent="  ")
    yield table(list(part_rows(one)))
    yield table(list(cause_rows(one)), left=2)
    yield "\n".join(textwrap.fill(f"{cause.name}: {cause.text}", WIDTH, subsequent_indent="  ") for cause in one.causes)
    yield textwrap.fill(_pooled(one), WIDTH, subsequent_indent="  ")


def _headline(one: Autopsy) -> str:
    drop, seeds = one.drop, "1 seed" if one.drop.seeds == 1 else f"{one.drop.seeds} seeds"
    told = f"validation accuracy {drop.val:.3f}, test {drop.test:.3f} ({seeds})."
    low, high = drop.total.low or 0.0, drop.total.high or 0.0
    size = _points(drop.total if drop.total.value >= 0 else Measure(-drop.total.value, -high, -low, drop.total.n))
    side = "lower" if drop.total.value >= 0 else "higher"
    by_chance = low <= 0 <= high
    told += f" Test is {size} points {side}" + (", no more than chance makes." if by_chance else ", more than chance makes.")
    return f"{told} {_because(one)}"


def _because(one: Autopsy) -> str:
    if not one.named:
        return "No cause was found."
    return f"Found: {', '.join(one.named)}."


def part_rows(one: Autopsy) -> Iterator[list[str]]:
    """Yield the drop and its parts, in points of accuracy, with their intervals."""
    drop = one.drop
    yield ["validation less test accuracy", "points", "95% interval"]
    parts = {
        "other shares of classes": drop.prevalence,
        "a moved threshold": drop.threshold,
        "lost ranking": drop.ranking,
        "together": drop.total,
    }
    for name, part in parts.items():
        yield [name, f"{100 * part.value:.1f}", _interval(part)]


def cause_rows(one: Autopsy) -> Iterator[list[str]]:
    """Yield every cause with its verdict, and what it adds to the drop where that can be told."""
    yield ["cause", "there", "points"]
    for cause in one.causes:
        yield [cause.name, cause.verdict, "" if cause.effect is None else _points(cause.effect)]


def _pooled(one: Autopsy) -> str:
    found = one.pooled
    if found is None:
        return f"Pooling was not tried: {one.pooled_reason}."
    told = f"All images pooled and drawn anew {found.redraws} times: validation {found.val:.3f}, test {found.test:.3f} "
    told += f"±{found.spread:.3f}"
    return told + ("." if found.recovered is None else f"; {found.recovered:.0%} of the drop is gone.")


def _points(one: Measure) -> str:
    return f"{100 * one.value:.1f} ({_interval(one)})"


def _interval(one: Measure) -> str:
    return f"{100 * (one.low or 0.0):.1f} to {100 * (one.high or 0.0):.1f}"
