"""Backbones on offer as a picture: published accuracy against multiply-accumulates, bubbles by parameters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from xzoo.data.items import counted, listed, printable
from xzoo.report.drawing import Axis, axis, tick_text
from xzoo.zoo.listing import NameRow, Row, WeightsRow

ON = "ImageNet-1k"
"""What accuracies are of. Those of other data have no place on the same axis."""

SIZES = ((5e6, "·"), (25e6, "•"), (100e6, "●"), (float("inf"), "◉"))
"""Bubbles of a terminal, each for backbones of at most so many parameters."""

_WIDEST, _NARROWEST, _HEIGHT = 110, 40, 22
_MARGIN = 7
_LONGEST_LABEL = 28


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A backbone in the picture: its top-1 in percent as the publisher of its `weights` states it; `source` is where they lie."""

    name: str
    gmacs: float
    top1: float
    params: int | None
    weights: str
    trained_on: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """The spots, best first; names of those that no other betters in both, the cheapest first; who has no place, by reason."""

    spots: Sequence[Spot]
    front: Sequence[str]
    left_out: Mapping[str, Sequence[str]]


def landscape(rows: Sequence[Row | NameRow]) -> Landscape:
    """Return the picture of rows: of each the first weights with a published accuracy at the size its GMACs are of."""
    spots: list[Spot] = []
    left_out: dict[str, list[str]] = {}
    for row in rows:
        found = _spot(row)
        if isinstance(found, Spot):
            spots.append(found)
        else:
            left_out.setdefault(found, []).append(row.name)
    spots.sort(key=lambda one: (-one.top1, one.gmacs, one.name))
    return Landscape(spots=spots, front=_front(spots), left_out=left_out)


def landscape_text(found: Landscape, columns: int) -> str:
    """Return the picture in letters for a terminal of so many columns, with its key and who has no place in it."""
    width = max(_NARROWEST, min(columns, _WIDEST))
    parts = [*_picture(found, width)] if found.spots else ["no backbone here has an accuracy and GMACs that are published"]
    return "\n".join([*parts, "", *(line for note in notes(found) for line in textwrap.wrap(note, width))])


def notes(found: Landscape) -> list[str]:
    """Return what must be known to read the picture, a sentence each."""
    said = []
    if found.spots:
        said.append(
            f"{counted(len(found.spots), 'backbone')}. Top-1 on {ON} is what the publishers of the weights state, at the input "
            "size that the GMACs are of; nothing is measured here. Which weights, and where they are from: --format json."
        )
        said.append(f"No other is as accurate and as cheap: {listed(found.front, 20)}.")
    said += [f"Left out, {reason}: {listed(names, 12)}." for reason, names in found.left_out.items()]
    return said


def _spot(row: Row | NameRow) -> Spot | str:
    """Return where a backbone lies, or why it has no place."""
    if isinstance(row, NameRow):
        return "not declared"
    if not row.gmacs:
        return "without published GMACs"
    published = [one for one in row.weights if one.top1 is not None]
    if not published:
        return "without a published accuracy"
    weights = next((one for one in published if ON in one.trained_on and one.size == row.size), None)
    if weights is None or weights.top1 is None:
        return f"without one of {ON} at the size of their GMACs"
    return Spot(
        name=row.name,
        gmacs=row.gmacs,
        top1=weights.top1,
        params=row.params,
        weights=weights.name,
        trained_on=weights.trained_on,
        source=_source(row, weights),
    )


def _source(row: Row, weights: WeightsRow) -> str:
    return weights.source or f"{row.distribution} {row.version}"


def _front(spots: Sequence[Spot]) -> list[str]:
    front: list[Spot] = []
    for spot in sorted(spots, key=lambda one: (one.gmacs, -one.top1)):
        if not front or spot.top1 > front[-1].top1:
            front.append(spot)
    return [spot.name for spot in front]


def _picture(found: Landscape, width: int) -> Iterator[str]:
    x = axis([spot.gmacs for spot in found.spots], 0.0, width - _MARGIN - 1.0, is_log=True)
    y = axis([spot.top1 for spot in found.spots], _HEIGHT - 1.0, 0.0, within=(0.0, 100.0))
    canvas = [[" "] * (width - _MARGIN) for _ in range(_HEIGHT)]
    places = {spot.name: (round(y.at(spot.top1)), round(x.at(spot.gmacs))) for spot in found.spots}
    for spot in sorted(found.spots, key=lambda one: -(one.params or 0)):
        row, column = places[spot.name]
        canvas[row][column] = _bubble(spot)
    for name in [*reversed(found.front), *(spot.name for spot in found.spots if spot.name not in found.front)]:
        _label(canvas, printable(name)[:_LONGEST_LABEL], *places[name])
    ticks = {round(y.at(tick)): tick_text(tick) for tick in y.ticks}
    yield "top-1, %"
    for number, cells in enumerate(canvas):
        yield f"{ticks.get(number, ''):>{_MARGIN - 2}} {'┤' if number in ticks else '│'}{''.join(cells)}".rstrip()
    yield from _below(x, width)


def _below(x: Axis, width: int) -> Iterator[str]:
    line, words = ["─"] * (width - _MARGIN), [" "] * (width - _MARGIN)
    for tick in x.ticks:
        column, text = round(x.at(tick)), tick_text(tick)
        line[column] = "┬"
        start = max(0, min(column - len(text) // 2, len(words) - len(text)))
        if all(letter == " " for letter in words[max(0, start - 1) : start + len(text)]):
            words[start : start + len(text)] = text
    yield " " * (_MARGIN - 1) + "└" + "".join(line)
    yield " " * _MARGIN + "".join(words).rstrip()
    sizes = "  ".join(f"{sign} {_upto(most)}" for most, sign in SIZES)
    indent = " " * _MARGIN
    yield from textwrap.wrap(f"GMACs (log scale)   parameters: {sizes}", width, initial_indent=indent, subsequent_indent=indent)


def _upto(most: float) -> str:
    return f"≤{tick_text(most)}" if most < float("inf") else "more"


def _bubble(spot: Spot) -> str:
    return next(sign for most, sign in SIZES if (spot.params or 0) <= most)


def _label(canvas: list[list[str]], text: str, row: int, column: int) -> None:
    """Write a name beside its bubble where nothing else stands, or not at all."""
    cells = canvas[row]
    for start in (column + 2, column - 1 - len(text)):
        around = cells[max(0, start - 1) : start + len(text) + 1] if start > 0 else []
        free = [cell == " " for cell in (around[1:] if start < column else around)]
        if start > 0 and start + len(text) <= len(cells) and all(free):
            cells[start : start + len(text)] = text
            return
