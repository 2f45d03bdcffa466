"""Finished runs as text: their list, what changed between two, and what one of them says of new images."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from xzoo.compare.difference import Difference, SplitChange
from xzoo.compare.history import RunRow
from xzoo.report import spreadsheets
from xzoo.report.tables import table

if TYPE_CHECKING:
    from xzoo.compare.inference import Predicted

_WIDEST = 60


def runs_text(rows: Sequence[RunRow], runs: str) -> str:
    """Return a table of runs, times in the reader's own zone."""
    if not rows:
        return f"no runs in {runs}"
    head = ["run", "best on validation", "accuracy", "cells", "when", "data"]
    lines = [head, *(_run_row(row) for row in rows)]
    notes = [f"{row.run}: {row.error}" for row in rows if row.error]
    return "\n".join([table(lines), *notes])


def difference_text(difference: Difference) -> str:
    """Return what changed as a list by area, then a line for each contender and split."""
    changes = [
        f"{one.area} {one.name}:  {_value(one.a)}  ->  {_value(one.b)}".replace(" all:", ":") for one in difference.changes
    ]
    parts = [
        f"A {difference.a}\nB {difference.b}",
        "\n".join(changes) or "nothing that the runs were made of differs",
        "\n".join(_contender_lines(difference)) or "no contender and seed is finished in both",
    ]
    return "\n\n".join(parts)


def predicted_text(predicted: Predicted) -> str:
    """Return CSV: path, label, and the probability of each class, six digits behind the point; no text of it is a formula.

    Where images could abstain a column says which did, and where maps were drawn another names their files.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    more = {"abstained": predicted.abstain_below is not None, "map": predicted.explained is not None}
    columns = [name for name, is_shown in more.items() if is_shown]
    writer.writerow([spreadsheets.safe(name) for name in ("path", "label", *columns, *predicted.classes)])
    for image in predicted.images:
        told = {"abstained": "yes" if image.abstained else "no", "map": image.map}
        shares = [f"{image.probabilities[name]:.6f}" for name in predicted.classes]
        writer.writerow(
            [spreadsheets.safe(value) for value in (image.path, image.label, *(told[name] for name in columns), *shares)]
        )
    return text.getvalue().rstrip("\n")


def _run_row(row: RunRow) -> list[str]:
    accuracy = f"{row.val_accuracy:.3f}" if row.val_accuracy is not None else "-"
    when = datetime.fromisoformat(row.when).astimezone().strftime("%Y-%m-%d %H:%M")
    best = row.best or ("cannot be read" if row.error else "-")
    return [row.run, best, accuracy, f"{row.done}/{row.cells}", when, row.data]


def _contender_lines(difference: Difference) -> Iterator[str]:
    for one in difference.contenders:
        seeds = f"seed{'s' if len(one.seeds) > 1 else ''} {', '.join(map(str, one.seeds))}"
        for word, change in (("validation", one.val), ("test", one.test)):
            if change is not None:
                yield f"{one.id}, {seeds}, {word}: {_change(change)}"


def _change(change: SplitChange) -> str:
    difference = change.difference
    text = f"{change.a:.3f} -> {change.b:.3f} ({difference.value:+.3f}"
    if difference.low is not None and difference.high is not None:
        text += f", {difference.low:+.3f} to {difference.high:+.3f}"
    if change.images is None:
        return f"{text}); {change.reason}"
    return f"{text}); {change.changed} of {change.images} answers changed, {change.gained} gained, {change.lost} lost"


def _value(value: Any) -> str:
    if value is None:
        return "-"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
