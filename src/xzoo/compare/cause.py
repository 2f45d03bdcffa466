"""What a cause is, and what causes are judged by: why test scores otherwise than validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xzoo.audit.given import Reading
from xzoo.compare.crossing import Judged
from xzoo.compare.drop import Drop
from xzoo.runs.result import Measure

YES, NO, UNCLEAR = "yes", "no", "cannot tell"
ALPHA = 0.01
"""The level of each test: with the few that are made, something is named in about three of a hundred sound datasets."""


@dataclass(frozen=True)
class Cause:
    """A cause, whether it is there (`yes`, `no`, `cannot tell`), in words, and what it adds to validation less test accuracy.

    `effect` is None where no figure can be had; `figures` are what the verdict rests on.
    """

    name: str
    verdict: str
    text: str
    effect: Measure | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Known:
    """All that causes are judged by: predictions of every seed, their drop, the data's reading, the curves' fit, class names."""

    seeds: Sequence[Judged]
    drop: Drop
    reading: Reading
    fit: Mapping[str, Any]
    classes: Sequence[str]
    ids: Sequence[str]


def points(one: Measure) -> str:
    """Return a share of images in points, with its interval."""
    assert one.low is not None
    assert one.high is not None
    return f"{100 * one.value:.1f} points ({100 * one.low:.1f} to {100 * one.high:.1f})"


def ends(one: Measure) -> str:
    """Return a figure with its interval."""
    return f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})"
