"""Plugins as text: how they fare."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from xzoo.zoo.health import OK, Health


def plugins_text(found: Sequence[Health]) -> str:
    """Return a table, those of one module that are well in one row, and below it each fault with what to do."""
    if not found:
        return "no plugin is installed"
    rows = [["plugin", "distribution", "health", "backbones", "load s"], *map(_row, _rows(found))]
    faults = [f"{fault.text}\n  {fault.remedy}" for fault in dict.fromkeys(fault for one in found for fault in one.faults)]
    return "\n".join([*_aligned(rows), *([""] if faults else []), *faults])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _rows(found: Sequence[Health]) -> Iterator[list[Health]]:
    order = sorted(found, key=lambda one: (one.distribution, one.version, one.module, one.health != OK, one.name))
    for _, group in itertools.groupby(order, key=lambda one: (one.distribution, one.version, one.module, one.health)):
        rows = list(group)
        yield from [rows] if rows[0].health == OK else ([row] for row in rows)


def _row(rows: list[Health]) -> list[str]:
    first = rows[0]
    name = first.name or "?"
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    seconds = [row.seconds for row in rows if row.seconds is not None]
    origin = f"{first.distribution} {first.version}".strip()
    return [name + more, origin, first.health, str(first.num_backbones), f"{sum(seconds):.3f}" if seconds else "-"]
