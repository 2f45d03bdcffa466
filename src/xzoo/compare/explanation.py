"""The answer to why a run's test figures differ from its validation figures, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xzoo.compare.cause import Cause
from xzoo.compare.drop import Drop
from xzoo.compare.pooling import Pooled
from xzoo.data.items import counted
from xzoo.runs import showing

SCHEMA = "xzoo.explain/1"


@dataclass(frozen=True)
class Autopsy:
    """Why a contender scores otherwise on test: its drop taken apart, every cause asked for, and what pooling would give.

    `named` are the causes that are there, the main one first. `features` tells by what splits were told apart; `pooled` is None
    where it was not asked for, for the reason beside it.
    """

    contender: str
    backbone: str
    freeze: str
    seeds: tuple[int, ...]
    features: str
    drop: Drop
    named: tuple[str, ...]
    causes: tuple[Cause, ...]
    pooled: Pooled | None
    pooled_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a run's test figures differ from its validation figures, contender by contender; machine output `xzoo.explain/1`."""

    schema: str = SCHEMA
    run: str
    dataset: Mapping[str, Any]
    contenders: tuple[Autopsy, ...]

    def to_frame(self) -> Any:
        """Return a pandas frame, a row per contender and cause. Raises UnavailableError where pandas is not installed.

        `points` is what the cause adds to the drop of accuracy, None where that cannot be told.
        """
        rows = [
            {
                "contender": one.contender,
                "cause": cause.name,
                "verdict": cause.verdict,
                "points": None if cause.effect is None else 100 * cause.effect.value,
            }
            for one in self.contenders
            for cause in one.causes
        ]
        return showing.frame(rows)

    def __repr__(self) -> str:
        return showing.brief(self, counted(len(self.contenders), "contender"), self.run)

    def __str__(self) -> str:
        return showing.as_text(self)

    def _repr_html_(self) -> str:
        return showing.as_html(self)
