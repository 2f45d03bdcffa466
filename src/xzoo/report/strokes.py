"""Values drawn with letters: bars in eighths of a column, and curves of which each column is a value."""

from __future__ import annotations

import math
from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int) -> str:
    """Return a bar of `width` columns that a share of 1 fills, to an eighth of a column; what is above 0 is never invisible."""
    eighths = round(min(1.0, max(0.0, share)) * width * 8)
    if share > 0:
        eighths = max(eighths, 1)
    return (_EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8]).strip().ljust(width)[:width]


def sparkline(values: Sequence[float], width: int) -> str:
    """Return a curve from its least to its greatest value; of more values than `width` each column shows the mean of its own.

    A value that is no finite number leaves a gap, and a curve without any rise or fall lies in the middle.
    """
    shown = values if len(values) <= width else [_mean(values, column, width) for column in range(width)]
    known = [one for one in shown if math.isfinite(one)]
    if not known:
        return " " * len(shown)
    low, high = min(known), max(known)
    return "".join(_level(one, low, high) if math.isfinite(one) else " " for one in shown)


def _level(value: float, low: float, high: float) -> str:
    # Halves, because the span of two large values may be no finite number.
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5
    return _LEVELS[min(len(_LEVELS) - 1, int(share * len(_LEVELS)))]


def _mean(values: Sequence[float], column: int, width: int) -> float:
    own = values[column * len(values) // width : (column + 1) * len(values) // width]
    return math.fsum(one / len(own) for one in own) if all(map(math.isfinite, own)) else math.nan
