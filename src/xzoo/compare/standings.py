"""Contenders over their seeds: measures, rank, Pareto front, and which one to use."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from xzoo.compare.verdict import is_ahead
from xzoo.data import split as splits
from xzoo.runs.result import BackboneFacts, Cell, CellResult, Comparison, Contender, Measure, Metrics, Recommendation

_MEASURES = tuple(field.name for field in fields(Metrics) if field.name not in {"recall", "confusion", "reasons"})


def contenders(cells: Sequence[Cell], results: Sequence[CellResult], facts: Mapping[str, BackboneFacts]) -> list[Contender]:
    """Return a row per contender that has a finished cell, in the order of the plan; rank and front are set by `rank`."""
    rows = []
    for name in dict.fromkeys(cell.contender for cell in cells):
        first = next(cell for cell in cells if cell.contender == name)
        done = [result for result in results if result.contender == name and result.status == "done"]
        if done:
            known = facts.get(f"{first.backbone}@{first.weights}")
            rows.append(_row(first, done, known))
    return rows


def rank(rows: Sequence[Contender], comparisons: Sequence[Comparison]) -> list[Contender]:
    """Return the rows with their rank on validation, best first: one more than the number of contenders ahead; ties share it."""
    ranked = [
        replace(row, rank=1 + sum(is_ahead(comparisons, other.id, row.id) for other in rows), pareto=_is_on_front(row, rows))
        for row in rows
    ]
    return sorted(ranked, key=lambda row: (row.rank or 0, -accuracy(row, "val")))


def recommend(rows: Sequence[Contender], comparisons: Sequence[Comparison], guessing: Sequence[str]) -> Recommendation | None:
    """Return the cheapest contender that the best one on validation is not ahead of, or None where all of them may be guessing.

    Cost is compared by GMACs of an image, then by learning parameters; of equal cost the more accurate is chosen.
    Time is left out, since it changes from call to call.
    """
    able = [row for row in rows if row.id not in guessing]
    if not able:
        return None
    best = max(able, key=lambda row: accuracy(row, "val"))
    good = [
        row
        for row in able
        if row.id == best.id or (not is_ahead(comparisons, best.id, row.id) and _is_paired(comparisons, best.id, row.id))
    ]
    chosen = min(good, key=lambda row: (_cost(row.gmacs), _cost(row.learning_params), -accuracy(row, "val")))
    shown = f"validation accuracy {accuracy(chosen, 'val'):.3f}"
    if chosen.id == best.id:
        others = len(good) - 1
        alike = f"; the cheapest of {others + 1} that cannot be told apart" if others else ""
        reason = f"{shown}, the best of {len(rows)}{alike}"
    else:
        top = f"{best.id}, {accuracy(best, 'val'):.3f}"
        reason = f"{shown}; the cheapest of {len(good)} that cannot be told apart from the best ({top})"
    return Recommendation(chosen.id, reason)


def accuracy(row: Contender, split: str) -> float:
    """Return a row's mean accuracy on a split."""
    measure = getattr(row, split).get("accuracy")
    return float(measure["value"]) if measure else 0.0


def _row(first: Cell, done: Sequence[CellResult], known: BackboneFacts | None) -> Contender:
    at = known.gmacs_at.get(str(first.recipe.get("size", 0)), known.gmacs) if known else None
    return Contender(
        id=first.contender,
        backbone=first.backbone,
        weights=first.weights,
        freeze=first.freeze,
        recipe=first.recipe,
        split=splits.describe(splits.read(first.split)),
        seeds=tuple(result.seed for result in done),
        train=_over_seeds([result.train for result in done]),
        val=_over_seeds([result.val for result in done]),
        test=_over_seeds([result.test for result in done]),
        seconds=statistics.fmean(result.seconds.train + result.seconds.features for result in done if result.seconds),
        gmacs=at,
        params=known.params if known else None,
        learning_params=done[0].learning_params,
        rank=None,
        pareto=False,
    )


def _over_seeds(found: Sequence[Metrics | None]) -> dict[str, Any]:
    """Return every measure's mean over seeds, with the mean ends of its intervals and the deviation between seeds."""
    metrics = [one for one in found if one is not None]
    summary: dict[str, Any] = {name: _mean([getattr(one, name) for one in metrics]) for name in _MEASURES}
    classes = metrics[0].recall if metrics else {}
    summary["recall"] = {name: _mean([one.recall.get(name) for one in metrics]) for name in classes}
    summary["reasons"] = dict(metrics[0].reasons) if metrics else {}
    return summary


def _mean(measures: Sequence[Measure | None]) -> dict[str, Any] | None:
    known = [one for one in measures if one is not None]
    if not known:
        return None
    ends = {
        end: statistics.fmean(values)
        if len(values := [getattr(one, end) for one in known if getattr(one, end) is not None]) == len(known)
        else None
        for end in ("low", "high")
    }
    values = [one.value for one in known]
    spread = statistics.stdev(values) if len(values) > 1 else None
    return {"value": statistics.fmean(values), **ends, "n": known[0].n, "spread": spread, "seeds": len(known)}


def _is_paired(comparisons: Sequence[Comparison], a: str, b: str) -> bool:
    return any({one.a, one.b} == {a, b} for one in comparisons)


def _is_on_front(row: Contender, rows: Sequence[Contender]) -> bool:
    return not any(_dominates(other, row) for other in rows if other.id != row.id)


def _dominates(a: Contender, b: Contender) -> bool:
    """Whether `a` is as accurate on validation as `b` with as few operations and learnt parameters, and better in one."""
    of_a, of_b = ((accuracy(row, "val"), -_cost(row.gmacs), -_cost(row.learning_params)) for row in (a, b))
    return all(x >= y for x, y in zip(of_a, of_b, strict=True)) and of_a != of_b


def _cost(figure: float | None) -> float:
    """Return a cost to compare by: what is not known is never the cheapest."""
    return math.inf if figure is None else figure
