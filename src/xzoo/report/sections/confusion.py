"""Which class is taken for which, on test, over all seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xzoo.report.reading import Reading

MOST_CLASSES = 12
"""Of more classes than this the pairs that are confused most are named instead of a matrix."""
_PAIRS = 20


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """A contender's answers: `counts` has a row per true class and a column per answer, summed over `seeds`.

    `pairs` (true class, answer, count, share of the true class) stand instead where there are too many classes.
    """

    number: int
    id: str
    seeds: int
    classes: Sequence[str]
    counts: Sequence[Sequence[int]]
    pairs: Sequence[tuple[str, str, int, float]]


def confusions(reading: Reading) -> Sequence[Confusion]:
    """Return a matrix for each contender whose cells kept one."""
    classes = list(reading.outcome.dataset["classes"])
    found = []
    for number, row in enumerate(reading.outcome.contenders, 1):
        matrices = [cell.test.confusion for cell in reading.done(row) if cell.test and cell.test.confusion]
        if not matrices:
            continue
        counts = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]
        is_small = len(classes) <= MOST_CLASSES
        found.append(
            Confusion(
                number=number,
                id=row.id,
                seeds=len(matrices),
                classes=classes if is_small else [],
                counts=counts if is_small else [],
                pairs=[] if is_small else _worst(classes, counts),
            )
        )
    return found


def _worst(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> list[tuple[str, str, int, float]]:
    pairs = [
        (classes[true], classes[said], count, count / sum(row))
        for true, row in enumerate(counts)
        for said, count in enumerate(row)
        if said != true and count
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:_PAIRS]
