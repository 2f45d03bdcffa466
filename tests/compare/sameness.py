"""What a computation that was stopped and taken up again has in common with one that nobody stopped."""

from __future__ import annotations

import dataclasses
from typing import Any

from xzoo.compare.finishing import Output
from xzoo.runs.result import CellResult


class KilledError(BaseException):
    """Ends a cell as SIGKILL does: nothing in the way catches it."""


def timeless(result: CellResult, **ignored: Any) -> CellResult:
    """Return a result without what a clock, the memory, or the number of calls has put into it, nor what is `ignored`."""
    curves = tuple(dataclasses.replace(record, seconds=0.0) for record in result.curves)
    notes = tuple(note for note in result.notes if not note.startswith("resumed"))
    values: dict[str, Any] = {"curves": curves, "seconds": None, "peak_memory_mb": None, "resumed": 0, "notes": notes}
    return dataclasses.replace(result, **values, **ignored)


def same(one: Output, other: Output, **ignored: Any) -> bool:
    """Whether two outputs agree byte for byte, and in all that is said of them but for what is `ignored`."""
    pairs = [(one.predictions, other.predictions), (one.learnt, other.learnt)]
    return timeless(one.result, **ignored) == timeless(other.result, **ignored) and all(
        mine.keys() == theirs.keys() and all(array.tobytes() == theirs[name].tobytes() for name, array in mine.items())
        for mine, theirs in pairs
    )
