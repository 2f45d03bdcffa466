"""Freeze strategies of the same backbone, weights and recipe, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xzoo.report.reading import Reading
from xzoo.runs.result import Comparison, Contender

FIRST, LAST = "frozen", "finetune"


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A backbone's accuracy under each strategy; `difference` is fine-tuned less frozen, `verdict` that of the pair."""

    number: int
    name: str
    accuracy: Mapping[str, float]
    difference: float
    low: float | None
    high: float | None
    verdict: str


@dataclass(frozen=True)
class Freezing:
    """The strategies in the order from frozen to fine-tuned, and a slope for each backbone that has both ends, by split."""

    strategies: Sequence[str]
    slopes: Mapping[str, Sequence[Slope]]


def freezing(reading: Reading) -> Freezing | None:
    """Return the pairs, or None where no backbone was trained both frozen and fine-tuned."""
    groups: dict[str, list[tuple[int, Contender]]] = {}
    for number, row in enumerate(reading.outcome.contenders, 1):
        rest = json.dumps([row.backbone, row.weights, row.split, dict(row.recipe)], sort_keys=True)
        groups.setdefault(rest, []).append((number, row))
    paired = [rows for rows in groups.values() if {FIRST, LAST} <= {row.freeze for _, row in rows}]
    if not paired:
        return None
    between = dict.fromkeys(row.freeze for rows in paired for _, row in rows if row.freeze not in {FIRST, LAST})
    pairs = {(one.split, one.a, one.b): one for one in reading.outcome.comparisons}
    slopes = {split: [one for rows in paired if (one := _slope(rows, split, pairs))] for split in ("val", "test")}
    return Freezing((FIRST, *between, LAST), slopes)


def _slope(rows: Sequence[tuple[int, Contender]], split: str, pairs: Mapping[tuple[str, str, str], Comparison]) -> Slope | None:
    by_freeze = {row.freeze: row for _, row in rows}
    measures = {freeze: getattr(row, split).get("accuracy") for freeze, row in by_freeze.items()}
    accuracy = {freeze: float(measure["value"]) for freeze, measure in measures.items() if measure}
    if not {FIRST, LAST} <= accuracy.keys():
        return None
    tuned, frozen = by_freeze[LAST], by_freeze[FIRST]
    low = high = None
    verdict = ""
    if one := pairs.get((split, tuned.id, frozen.id)):
        low, high, verdict = one.difference.low, one.difference.high, one.verdict
    elif (one := pairs.get((split, frozen.id, tuned.id))) and one.difference.low is not None and one.difference.high is not None:
        low, high, verdict = -one.difference.high, -one.difference.low, one.verdict
    name = tuned.id.replace(f" {LAST}", "", 1)
    return Slope(
        number=min(number for number, _ in rows),
        name=name,
        accuracy=accuracy,
        difference=accuracy[LAST] - accuracy[FIRST],
        low=low,
        high=high,
        verdict=verdict,
    )
