"""The picture of backbones on offer as one SVG file, which needs nothing else and follows the viewer's light or dark."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from xzoo.data.items import printable
from xzoo.report.drawing import Frame, frame, tick_text
from xzoo.report.landscape import ON, Landscape, Spot, notes

WIDTH, HEIGHT = 960.0, 560.0
_SMALLEST, _LARGEST = 3.0, 26.0
_LETTER, _BOLD, _LINE = 6.2, 7.0, 13.0
"""Pixels that a letter, a bold one and a line of the labels take, a little more than they need."""

_NOTE_LETTERS = 125
_STYLE = """
svg { font: 11px system-ui, sans-serif; color: #1a1a1a; background: #ffffff }
text { fill: currentColor } .note { font-size: 12px } .axis { font-size: 12px }
.grid { stroke: currentColor; stroke-opacity: .15; fill: none } .front { stroke: #b5500b; stroke-width: 1.5; fill: none }
circle { fill: #2a6fbb; fill-opacity: .35; stroke: #2a6fbb } .best text { font-weight: 600 }
.best circle { fill: #d9730d; stroke: #b5500b }
@media (prefers-color-scheme: dark) { svg { color: #e8e8e8; background: #16181c } circle { fill: #6ea8e6; stroke: #6ea8e6 } }
"""


@dataclass(frozen=True)
class _Box:
    """A rectangle that a label or a bubble takes."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        """Whether two rectangles share a point."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom


def landscape_svg(found: Landscape) -> str:
    """Return the picture. Every bubble says its backbone, figures, weights and source when it is pointed at."""
    lines = [line for note in notes(found) for line in textwrap.wrap(note, _NOTE_LETTERS)]
    height = HEIGHT + 16 * len(lines) + 8
    body = list(_drawn(found)) if found.spots else []
    below = [
        f'<text class="note" x="16" y="{HEIGHT + 16 * place + 4:g}">{_text(line)}</text>' for place, line in enumerate(lines)
    ]
    said = f"Published top-1 on {ON} against GMACs of {len(found.spots)} backbones"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{said}">',
            f"<title>{said}</title><style>{_STYLE}</style>",
            *body,
            *below,
            "</svg>\n",
        ]
    )


def _drawn(found: Landscape) -> Iterator[str]:
    place = frame(
        [spot.gmacs for spot in found.spots],
        [spot.top1 for spot in found.spots],
        width=WIDTH - _LARGEST,
        height=HEIGHT - 20,
        is_log=True,
        within=(0.0, 100.0),
    )
    yield from _axes(place)
    best = [next(spot for spot in found.spots if spot.name == name) for name in found.front]
    yield f'<path class="front" d="{place.line((spot.gmacs, spot.top1) for spot in best)}"/>'
    most = max((spot.params or 0 for spot in found.spots), default=1) or 1
    radii = {spot.name: max(_SMALLEST, _LARGEST * ((spot.params or 0) / most) ** 0.5) for spot in found.spots}
    kinds = {spot.name: "best" if spot.name in found.front else "other" for spot in found.spots}
    for spot in sorted(found.spots, key=lambda one: -radii[one.name]):
        x, y = place.x.at(spot.gmacs), place.y.at(spot.top1)
        circle = f'<circle cx="{x:g}" cy="{y:g}" r="{radii[spot.name]:.1f}"/>'
        yield f'<g class="{kinds[spot.name]}"><title>{_text(_said(spot))}</title>{circle}</g>'
    for name, box in _labels(found, place, radii).items():
        yield f'<g class="{kinds[name]}"><text x="{box.left:g}" y="{box.bottom - 3:g}">{_text(name)}</text></g>'


def _axes(place: Frame) -> Iterator[str]:
    x, y = place.x, place.y
    lines = "".join(f"M{x.start:g},{y.at(tick):g}H{x.end:g}" for tick in y.ticks)
    lines += "".join(f"M{x.at(tick):g},{y.start:g}V{y.end:g}" for tick in x.ticks)
    yield f'<path class="grid" d="{lines}"/>'
    for tick in y.ticks:
        yield f'<text x="{x.start - 6:g}" y="{y.at(tick) + 4:g}" text-anchor="end">{tick_text(tick)}</text>'
    for tick in x.ticks:
        yield f'<text x="{x.at(tick):g}" y="{y.start + 14:g}" text-anchor="middle">{tick_text(tick)}</text>'
    middle = (x.start + x.end) / 2
    words = "GMACs for one image (log scale); a bubble's area is its number of parameters"
    yield f'<text class="axis" x="{middle:g}" y="{y.start + 30:g}" text-anchor="middle">{words}</text>'
    turned = f"translate(12 {(y.start + y.end) / 2:g}) rotate(-90)"
    yield f'<text class="axis" transform="{turned}" text-anchor="middle">published top-1 on {ON}, %</text>'


def _labels(found: Landscape, place: Frame, radii: dict[str, float]) -> dict[str, _Box]:
    """Return where names stand: those of the front first, then of the most accurate, each where nothing is in its way."""
    spots = {spot.name: spot for spot in found.spots}
    bubbles = {name: _around(spot, place, radii[name]) for name, spot in spots.items()}
    labels: dict[str, _Box] = {}
    for name in [*found.front, *(name for name in spots if name not in found.front)]:
        letter = _BOLD if name in found.front else _LETTER
        for box in _beside(spots[name], place, radii[name], letter * len(printable(name))):
            inside = box.left > place.x.start and box.right < place.x.end and box.top > 0
            others = [*labels.values(), *(bubble for other, bubble in bubbles.items() if other != name)]
            if inside and not any(box.meets(other) for other in others):
                labels[name] = box
                break
    return labels


def _beside(spot: Spot, place: Frame, radius: float, width: float) -> Iterator[_Box]:
    """Yield the boxes right of, left of, above and below a bubble that hold so wide a name."""
    x, y = place.x.at(spot.gmacs), place.y.at(spot.top1)
    yield _Box(x + radius + 2, y - _LINE / 2, x + radius + 2 + width, y + _LINE / 2)
    yield _Box(x - radius - 2 - width, y - _LINE / 2, x - radius - 2, y + _LINE / 2)
    yield _Box(x - width / 2, y - radius - _LINE, x + width / 2, y - radius)
    yield _Box(x - width / 2, y + radius, x + width / 2, y + radius + _LINE)


def _around(spot: Spot, place: Frame, radius: float) -> _Box:
    x, y = place.x.at(spot.gmacs), place.y.at(spot.top1)
    return _Box(x - radius, y - radius, x + radius, y + radius)


def _said(spot: Spot) -> str:
    size = f", {spot.params:,} parameters" if spot.params else ""
    weights = f"weights {spot.weights} ({spot.trained_on}), {spot.source}"
    return f"{spot.name}: top-1 {spot.top1:g}%, {spot.gmacs:g} GMACs{size}; {weights}"


def _text(words: str) -> str:
    return escape(printable(words))
