"""Contenders over their seeds: measures, rank, fronts, and which one to use."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from xzoo.compare.plan import MARGIN
from xzoo.compare.verdict import equivalence, is_ahead, leads
from xzoo.data import split as splits
from xzoo.runs.result import BackboneFacts, Cell, CellResult, Comparison, Contender, Measure, Metrics, Recommendation
from xzoo.statistics.seeds import widened

_MEASURES = tuple(field.name for field in fields(Metrics) if field.name not in {"recall", "confusion", "reasons"})
_SHARES = {"accuracy", "balanced_accuracy", "auroc", "recall", "sensitivity", "specificity", "f1", "majority"}
TIME_COUNTS = 0.9
"""A time counts as shorter where it is at most this share of the other: less than a tenth is what machines waver by."""


def contenders(cells: Sequence[Cell], results: Sequence[CellResult], facts: Mapping[str, BackboneFacts]) -> list[Contender]:
    """Return a row per contender that has a finished cell, in the order of the plan; rank and fronts are set by `rank`."""
    rows = []
    for name in dict.fromkeys(cell.contender for cell in cells):
        first = next(cell for cell in cells if cell.contender == name)
        done = [result for result in results if result.contender == name and result.status == "done"]
        if done:
            known = facts.get(f"{first.backbone}@{first.weights}")
            rows.append(_row(first, done, known))
    return rows


def rank(rows: Sequence[Contender], comparisons: Sequence[Comparison], guessing: Sequence[str] = ()) -> list[Contender]:
    """Return the rows with their ranks on validation, best first.

    A rank is one more than the number of contenders ahead, and at worst that of all which it is not ahead of: with tests that
    hold the family-wise error, so do these intervals of ranks (Mohamad, Goeman and van Zwet 2019, arXiv:1708.02428). Ties share
    both.
    """
    places = ranks([row.id for row in rows], comparisons)
    ranked = [
        replace(
            row,
            rank=places[row.id][0],
            worst_rank=places[row.id][1],
            pareto=_is_on_front(row, rows, _dominates),
            front=_is_on_front(row, rows, _dominates_as_measured),
            guessing=row.id in guessing,
        )
        for row in rows
    ]
    return sorted(ranked, key=lambda row: (row.rank or 0, -accuracy(row, "val")))


def ranks(names: Sequence[str], comparisons: Sequence[Comparison]) -> dict[str, tuple[int, int]]:
    """Return the best and the worst rank of each contender; ties share both.

    The best is one more than the number of contenders ahead, the worst leaves behind those that it is ahead of: with tests that
    hold the family-wise error, so do these intervals of ranks (Mohamad, van Zwet, Solari and Goeman 2021, arXiv:1708.02428).
    """
    ahead = leads(comparisons)
    return {
        name: (1 + sum((other, name) in ahead for other in names), len(names) - sum((name, other) in ahead for other in names))
        for name in names
    }


def recommend(
    rows: Sequence[Contender], comparisons: Sequence[Comparison], guessing: Sequence[str], margin: float = MARGIN
) -> Recommendation | None:
    """Return the cheapest contender that is shown to be equivalent to the best one on validation; None where all may be guessing.

    Cost is compared by GMACs of an image, then by learning parameters; of equal cost the more accurate is chosen, and of equally
    accurate ones the cheapest is the best. Time is left out, since it changes from call to call. That two cannot be told apart is
    no equivalence: where nothing cheaper is equivalent, the best is named.
    """
    able = [row for row in rows if row.id not in guessing]
    if not able:
        return None
    best = min(able, key=lambda row: (-accuracy(row, "val"), *_costs(row)))
    comparisons = [one for one in comparisons if best.id in {one.a, one.b}]
    alike = [row for row in able if row.id != best.id and equivalence(comparisons, best.id, row.id)]
    chosen = min([best, *alike], key=lambda row: (*_costs(row), -accuracy(row, "val")))
    shown = f"validation accuracy {_shown(chosen)}"
    if chosen.id != best.id:
        what = "the cheapest of" if len(alike) > 1 else "cheaper, and"
        many = f"{len(alike) + 1} that are" if len(alike) > 1 else ""
        reason = " ".join(f"{shown}; {what} {many} equivalent within {margin:g} to the best ({best.id}, {_shown(best)})".split())
        return Recommendation(chosen.id, reason, equivalent_to=best.id, margin=margin)
    return Recommendation(
        chosen.id, f"{shown}, the best of {len(rows)}{_others(best, alike, able, comparisons, margin)}", margin=margin
    )


def _others(
    best: Contender, alike: Sequence[Contender], able: Sequence[Contender], comparisons: Sequence[Comparison], margin: float
) -> str:
    """Return what is to be said of those that the best one is not ahead of."""
    if alike:
        return f"; the cheapest of {len(alike) + 1} that are equivalent within {margin:g}"
    open_ones = [
        row
        for row in able
        if row.id != best.id and _is_paired(comparisons, best.id, row.id) and not is_ahead(comparisons, best.id, row.id)
    ]
    cheaper = [row for row in open_ones if _costs(row) < _costs(best)]
    if not cheaper:
        return ""
    many = f"{len(cheaper)} cheaper ones" if len(cheaper) > 1 else f"{cheaper[0].id}, which is cheaper,"
    return f"; {many} cannot be told from it, and nothing shows that they are within {margin:g}"


def accuracy(row: Contender, split: str) -> float:
    """Return a row's mean accuracy on a split."""
    measure = getattr(row, split).get("accuracy")
    return float(measure["value"]) if measure else 0.0


def _shown(row: Contender) -> str:
    measure = row.val["accuracy"]
    ends = [measure.get(f"combined_{end}", measure.get(end)) for end in ("low", "high")]
    ends = [measure.get(end) if value is None else value for end, value in zip(("low", "high"), ends, strict=True)]
    return f"{measure['value']:.3f}" + (f" ({ends[0]:.2f}-{ends[1]:.2f})" if None not in ends else "")


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
        latency_ms=known.latency[0].p50_ms if known and known.latency else None,
    )


def _over_seeds(found: Sequence[Metrics | None]) -> dict[str, Any]:
    """Return every measure's mean over seeds, with the mean ends of its intervals and the deviation between seeds."""
    metrics = [one for one in found if one is not None]
    summary: dict[str, Any] = {name: _mean([getattr(one, name) for one in metrics], name in _SHARES) for name in _MEASURES}
    classes = metrics[0].recall if metrics else {}
    summary["recall"] = {name: _mean([one.recall.get(name) for one in metrics], True) for name in classes}
    summary["reasons"] = dict(metrics[0].reasons) if metrics else {}
    return summary


def _mean(measures: Sequence[Measure | None], is_share: bool = False) -> dict[str, Any] | None:
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
    value, spread = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
    both = _combined(value, ends["low"], ends["high"], spread, len(known), is_share)
    return {"value": value, **ends, "n": known[0].n, "spread": spread, "seeds": len(known), **both}


def _combined(
    value: float, low: float | None, high: float | None, spread: float | None, num_seeds: int, is_share: bool
) -> dict[str, float | None]:
    """Return the ends of the interval over images and seeds; None where either is not known."""
    if low is None or high is None or spread is None:
        return {"combined_low": None, "combined_high": None}
    ends = widened(value, low, high, spread, num_seeds)
    if is_share:
        ends = max(0.0, ends[0]), min(1.0, ends[1])
    return {"combined_low": ends[0], "combined_high": ends[1]}


def _is_paired(comparisons: Sequence[Comparison], a: str, b: str) -> bool:
    return any({one.a, one.b} == {a, b} for one in comparisons)


def _is_on_front(row: Contender, rows: Sequence[Contender], dominates: Callable[[Contender, Contender], bool]) -> bool:
    return not any(dominates(other, row) for other in rows if other.id != row.id)


def _dominates(a: Contender, b: Contender) -> bool:
    """Whether `a` is as accurate on validation as `b` with as few operations and learnt parameters, and better in one."""
    of_a, of_b = ((accuracy(row, "val"), *(-cost for cost in _costs(row))) for row in (a, b))
    return all(x >= y for x, y in zip(of_a, of_b, strict=True)) and of_a != of_b


def _dominates_as_measured(a: Contender, b: Contender) -> bool:
    """Whether `a` is as accurate on validation as `b`, as quick to answer and to train and as small, and better in one."""
    exact = [(accuracy(row, "val"), -_cost(row.params)) for row in (a, b)]
    times = [(_cost(x), _cost(y)) for x, y in ((a.latency_ms, b.latency_ms), (a.seconds, b.seconds))]
    is_no_worse = all(x >= y for x, y in zip(*exact, strict=True)) and all(x <= y for x, y in times)
    return is_no_worse and (exact[0] != exact[1] or any(x < y and x <= TIME_COUNTS * y for x, y in times))


def _costs(row: Contender) -> tuple[float, float]:
    return _cost(row.gmacs), _cost(row.learning_params)


def _cost(figure: float | None) -> float:
    """Return a cost to compare by: what is not known is never the cheapest."""
    return math.inf if figure is None else figure
