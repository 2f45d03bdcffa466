"""What lies in run folders, read back: a row for each run, and one run's outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from xzoo.compare.outcome import Outcome
from xzoo.errors import StorageError, UsageError
from xzoo.runs import store
from xzoo.runs.result import Cell
from xzoo.runs.store import PLAN, RunFolder

SCHEMA = "xzoo.runs/1"


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run: `when` its command was last given (UTC, ISO 8601), what is best on validation; `error` says why it is blank."""

    run: str
    path: str
    when: str
    data: str = ""
    cells: int = 0
    done: int = 0
    best: str | None = None
    val_accuracy: float | None = None
    error: str | None = None


@dataclass(frozen=True)
class Runs:
    """The answer to `xzoo runs`, the newest run first. Its fields are those of the machine output `xzoo.runs/1`."""

    runs: Sequence[RunRow]
    schema: str = SCHEMA


def list_runs(runs: str | Path) -> Runs:
    """Return a row for each run in a folder; a run that cannot be read hides none of the others."""
    return Runs([_row(folder) for folder in store.scan(Path(runs))])


def read_outcome(folder: RunFolder) -> Outcome:
    """Return what a run's comparison said. Raises UsageError for a run that has not come to its end, StorageError."""
    outcome = folder.outcome(Outcome)
    if outcome is None:
        cells = read_cells(folder)
        raise UsageError(
            f"{folder.path} has no outcome yet: {_num_done(folder, cells)} of {len(cells)} cells are done",
            "give its command again: what is missing is computed",
        )
    where = str(folder.path)
    chosen = outcome.recommendation
    return replace(outcome, run=where, recommendation=replace(chosen, run=where) if chosen else None)


def read_cells(folder: RunFolder, plan: dict[str, Any] | None = None) -> list[Cell]:
    """Return the cells that a run's command asked for. Raises StorageError."""
    try:
        return msgspec.convert((plan or folder.plan())["cells"], list[Cell])
    except (KeyError, msgspec.ValidationError) as error:
        raise StorageError(f"{folder.path / PLAN} holds no plan: {error}", "remove it, or give its command again") from error


@dataclass(frozen=True)
class _Data:
    """The one field of the data that a row needs; what else stands there is not made into values, and so with the others."""

    name: str


@dataclass(frozen=True)
class _Cell:
    id: str


@dataclass(frozen=True)
class _Planned:
    data: _Data
    cells: Sequence[_Cell]


@dataclass(frozen=True)
class _Scored:
    value: float


@dataclass(frozen=True)
class _Validated:
    accuracy: _Scored | None = None


@dataclass(frozen=True)
class _Row:
    id: str
    val: _Validated

    @property
    def accuracy(self) -> float:
        return self.val.accuracy.value if self.val.accuracy else 0.0


def _row(folder: RunFolder) -> RunRow:
    when = datetime.fromtimestamp((folder.path / PLAN).stat().st_mtime, UTC).isoformat(timespec="seconds")
    blank = RunRow(run=folder.path.name, path=str(folder.path), when=when)
    try:
        plan, contenders = folder.planned(_Planned), folder.outcome_field("contenders", list[_Row])
    except StorageError as error:
        return replace(blank, error=error.text)
    best = max(contenders, key=lambda row: row.accuracy) if contenders else None
    return replace(
        blank,
        data=plan.data.name,
        cells=len(plan.cells),
        done=_num_done(folder, plan.cells),
        best=best.id if best else None,
        val_accuracy=best.accuracy if best else None,
    )


def _num_done(folder: RunFolder, cells: Sequence[Cell | _Cell]) -> int:
    return sum(folder.is_finished(cell.id) for cell in cells)
