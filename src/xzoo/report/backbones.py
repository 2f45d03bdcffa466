"""Backbones on offer as text: names in columns, or a row of figures for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from xzoo.zoo.listing import Listing, NameRow, Row

_GAP = 2


def names_text(rows: Sequence[NameRow], families: Mapping[str, int], width: int) -> str:
    """Return every name once, in columns under its distribution; `families` are told by their numbers of members."""
    parts = []
    for distribution, version in dict.fromkeys((row.distribution, row.version) for row in rows):
        own = [row.name for row in rows if (row.distribution, row.version) == (distribution, version)]
        single = [name for name in own if name not in families]
        lines = [f"{distribution} {version}", *_columns(single, width)]
        lines += [f"  {name}/  {families[name]:,} networks: xzoo list {name}" for name in own if name in families]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, *clash_lines(rows)])


def lines_text(rows: Sequence[NameRow]) -> str:
    """Return a line for each name, with its distribution."""
    width = max((len(row.name) for row in rows), default=0)
    return "\n".join([*(f"{row.name:{width}}  {row.distribution} {row.version}" for row in rows), *clash_lines(rows)])


def clash_lines(rows: Sequence[NameRow]) -> list[str]:
    """Return a sentence for each name that more than one distribution offers."""
    twice = [name for name, count in Counter(row.name for row in rows).items() if count > 1]
    return [f"{name} is offered more than once: ask for DISTRIBUTION:{name}" for name in twice]


def listing_text(listing: Listing) -> str:
    """Return a row for each backbone, with the best of its weights and how many more there are; then the notes."""
    full = [row for row in listing.rows if isinstance(row, Row)]
    rows = [["backbone", "parameters", "GMACs", "input", "top-1", "weights", "licence"], *map(_cells, full)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in (1, 2, 4) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    failed = [f"{row.name}  {row.distribution} {row.version}" for row in listing.rows if isinstance(row, NameRow)]
    return "\n".join([*(lines if full else ()), *failed, *(["", *listing.notes] if listing.notes else ())])


def _cells(row: Row) -> list[str]:
    best = max(row.weights, key=lambda one: one.top1 if one.top1 is not None else -1.0, default=None)
    more = f" +{len(row.weights) - 1}" if len(row.weights) > 1 else ""
    height, width = row.size
    return [
        row.name,
        f"{row.params / 1e6:,.2f} M" if row.params is not None else "-",
        f"{row.gmacs:,.2f}" if row.gmacs is not None else "-",
        (f"{height}" if height == width else f"{height}x{width}") + (f" x {row.channels}" if row.channels != 3 else ""),
        f"{best.top1:.1f}" if best and best.top1 is not None else "-",
        f"{best.name}{more}" if best else "-",
        (best.licence or "-") if best else "-",
    ]


def _columns(names: Sequence[str], width: int) -> Iterator[str]:
    """Yield lines of names, down and then across."""
    widest = max(map(len, names), default=0) + _GAP
    num_columns = max(1, (width - _GAP) // widest) if names else 1
    num_lines = -(-len(names) // num_columns)
    for line in range(num_lines):
        yield "  " + "".join(name.ljust(widest) for name in names[line::num_lines]).rstrip()
