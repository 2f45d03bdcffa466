"""How contenders learnt: loss and accuracy by epoch, over seeds, and the epochs whose weights were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from xzoo.report.reading import Reading
from xzoo.runs.result import CellResult, EpochRecord

LINES = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")


@dataclass(frozen=True)
class Line:
    """A figure by epoch: the mean over the seeds that came so far, the least and the greatest; None where not measured."""

    mean: Sequence[float | None]
    low: Sequence[float | None]
    high: Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A contender's `lines` by name; `kept` is for each seed the epoch, counted from 1, of its weights, and the accuracy then."""

    number: int
    id: str
    seeds: int
    epochs: int
    lines: Mapping[str, Line]
    kept: Sequence[tuple[int, float | None]]


def curves(reading: Reading) -> Sequence[Curve]:
    """Return the curves of every contender that was trained by epochs."""
    found = []
    for number, row in enumerate(reading.outcome.contenders, 1):
        cells = [cell for cell in reading.done(row) if cell.curves]
        if cells:
            found.append(_curve(number, row.id, cells))
    return found


def _curve(number: int, name: str, cells: Sequence[CellResult]) -> Curve:
    epochs = max(len(cell.curves) for cell in cells)
    by_epoch = [[cell.curves[place] for cell in cells if place < len(cell.curves)] for place in range(epochs)]
    best = [(cell.curves, cell.best_epoch) for cell in cells if cell.best_epoch is not None]
    kept = [(epoch + 1, curves[epoch].val_accuracy) for curves, epoch in best if epoch < len(curves)]
    return Curve(
        number=number,
        id=name,
        seeds=len(cells),
        epochs=epochs,
        lines={line: _line(by_epoch, line) for line in LINES},
        kept=kept,
    )


def _line(by_epoch: Sequence[Sequence[EpochRecord]], name: str) -> Line:
    known = [[value for record in records if (value := getattr(record, name)) is not None] for records in by_epoch]
    return Line(
        [round(fmean(values), 5) if values else None for values in known],
        [round(min(values), 5) if values else None for values in known],
        [round(max(values), 5) if values else None for values in known],
    )
