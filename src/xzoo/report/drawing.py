"""Where values lie in a picture: axes with round ticks, and paths of lines and bands. What is drawn, templates say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 10.0, 34.0
"""Space around a picture's frame for the words of its axes, in pixels of its view box."""

_NARROW = 1e-9
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high`, laid out from the pixel `start` to `end`, with round `ticks` among them."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value, to a tenth; one outside lies on the edge."""
        low, high, here = (math.log(max(one, 1e-300)) if self.is_log else one for one in (self.low, self.high, value))
        share = min(1.0, max(0.0, (here - low) / (high - low)))
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True)
class Frame:
    """The axes of one picture of `width` by `height` pixels."""

    x: Axis
    y: Axis
    width: float
    height: float

    def line(self, points: Iterable[tuple[float, float | None]]) -> str:
        """Return the path through points; it is broken where a value is missing."""
        parts, command = [], "M"
        for x, y in points:
            if y is None:
                command = "M"
                continue
            parts.append(f"{command}{self.x.at(x):g},{self.y.at(y):g}")
            command = "L"
        return "".join(parts)

    def band(self, rows: Iterable[tuple[float, float | None, float | None]]) -> str:
        """Return the closed path around rows of x, low and high; rows without both ends are left out."""
        whole = [(x, low, high) for x, low, high in rows if low is not None and high is not None]
        if len(whole) < 2:
            return ""
        there = [(x, high) for x, _, high in whole]
        back = [(x, low) for x, low, _ in reversed(whole)]
        return self.line([*there, *back]) + "Z"


def frame(
    xs: Sequence[float | None],
    ys: Sequence[float | None],
    *,
    width: float = 340.0,
    height: float = 250.0,
    top: float = TOP,
    is_log: bool = False,
    is_count: bool = False,
    within: tuple[float, float] | None = None,
) -> Frame:
    """Return a frame that holds all values; `within` are the ends that y cannot pass, such as 0 and 1 of a share.

    `is_log` and `is_count`, which has whole numbers alone, are of x.
    """
    x = axis(xs, LEFT, width - RIGHT, is_log=is_log)
    if is_count:
        x = replace(x, ticks=tuple(tick for tick in x.ticks if tick == round(tick)))
    return Frame(x, axis(ys, height - BOTTOM, top, within=within), width, height)


def axis(
    values: Sequence[float | None],
    start: float,
    end: float,
    *,
    is_log: bool = False,
    within: tuple[float, float] | None = None,
    num_ticks: int = 5,
) -> Axis:
    """Return an axis from a little below the least to a little above the greatest value that is finite."""
    known = [one for one in values if one is not None and math.isfinite(one) and (one > 0 or not is_log)] or [1.0]
    low, high = min(known), max(known)
    if is_log:
        low, high = low / 1.25, high * 1.25
        return Axis(low, high, start, end, _log_ticks(low, high), True)
    room = 0.06 * (high - low) if high - low > _NARROW else max(abs(high) * 0.05, 0.05)
    low, high = low - room, high + room
    if within:
        low, high = max(low, within[0]), min(high, within[1])
    return Axis(low, high, start, end, _ticks(low, high, num_ticks))


def tick_text(value: float) -> str:
    """Return a tick's value in as few letters as tell it: `0.85`, `20k`, `5M`."""
    for size, letter in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.6g}"


def _ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step - _NARROW), math.floor(high / step + _NARROW)
    return tuple(round(place * step, 12) for place in range(first, last + 1))


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = tuple(factor * 10.0**power for power in powers for factor in factors if low <= factor * 10.0**power <= high)
        if len(found) >= 3:
            return found
    # A tick that is rounded to its step's decimals may lie a last digit outside, as 8e-6 does of 1e-5 / 1.25.
    return tuple(min(high, max(low, tick)) for tick in _ticks(low, high, 4))
