"""Every contender with its figures, ranked on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xzoo.report.reading import Reading
from xzoo.runs.result import Contender

Figure = Mapping[str, Any] | None
"""A measure over seeds: `value`, `low`, `high`, `n`, `spread`."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A contender. `number` is its place in the table, by which pictures name it."""

    number: int
    id: str
    backbone: str
    weights: str
    freeze: str
    rank: int | None
    worst_rank: int | None
    train: Figure
    val: Figure
    test: Figure
    test_auroc: Figure
    test_balanced: Figure
    seeds: int
    learning_params: int | None
    params: int | None
    gmacs: float | None
    latency_ms: float | None
    seconds: float | None
    front: bool
    guessing: bool
    recommended: bool


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """The rows, best first, and the accuracy of always naming the largest class, by split.

    `images` says where those of each split came from; it is empty where contenders differ in that.
    """

    rows: Sequence[Row]
    majority: Mapping[str, Figure]
    splits: Sequence[str]
    images: str
    freezes: Sequence[str]


def leaderboard(reading: Reading) -> Leaderboard:
    """Return a row for each contender."""
    found, chosen = reading.outcome.contenders, reading.outcome.recommendation
    has_front = any(one.front for one in found)
    rows = [
        _row(number, one, has_front=has_front, recommended=chosen is not None and chosen.contender == one.id)
        for number, one in enumerate(found, 1)
    ]
    majority = {split: getattr(found[0], split).get("majority") for split in ("train", "val", "test")} if found else {}
    return Leaderboard(
        rows=rows,
        majority=majority,
        splits=list(dict.fromkeys(one.split for one in found)),
        images=_images(reading),
        freezes=list(dict.fromkeys(one.freeze for one in found)),
    )


def _images(reading: Reading) -> str:
    outcome, rules = reading.outcome, {one.split for one in reading.outcome.contenders}
    if len(rules) != 1:
        return ""
    [rule] = rules
    is_anew = "val" in outcome.dataset.get("drawn", ()) and "seed" not in rule and len({cell.seed for cell in outcome.cells}) > 1
    anew = "validation and test" if rule.startswith("pool") else "validation"
    return f"{outcome.dataset.get('first_line', '')}{f'; each further seed draws {anew} anew' if is_anew else ''}"


def _row(number: int, one: Contender, *, has_front: bool, recommended: bool) -> Row:
    return Row(
        number=number,
        id=one.id,
        backbone=one.backbone,
        weights=one.weights,
        freeze=one.freeze,
        rank=one.rank,
        worst_rank=one.worst_rank,
        train=one.train.get("accuracy"),
        val=one.val.get("accuracy"),
        test=one.test.get("accuracy"),
        test_auroc=one.test.get("auroc"),
        test_balanced=one.test.get("balanced_accuracy"),
        seeds=len(one.seeds),
        learning_params=one.learning_params,
        params=one.params,
        gmacs=one.gmacs,
        latency_ms=one.latency_ms,
        seconds=one.seconds,
        front=one.front if has_front else one.pareto,
        guessing=one.guessing,
        recommended=recommended,
    )
