"""A run as a report reads it: what its comparison said, its plan, and its cells' predictions when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xzoo.compare.history import read_outcome
from xzoo.compare.outcome import Outcome
from xzoo.runs import store
from xzoo.runs.result import CellResult, Contender
from xzoo.runs.store import PLAN, RunFolder


@dataclass(frozen=True, eq=False)
class Reading:
    """One run. `when` its command was last given is UTC, ISO 8601."""

    folder: RunFolder
    outcome: Outcome
    plan: Mapping[str, Any]
    when: str

    @property
    def name(self) -> str:
        """The run's folder, which its plan's hash names."""
        return self.folder.path.resolve().name

    def done(self, contender: Contender) -> Sequence[CellResult]:
        """Return a contender's finished cells, by seed."""
        found = [cell for cell in self.outcome.cells if cell.contender == contender.id and cell.status == "done"]
        return sorted(found, key=lambda cell: cell.seed)


def read(word: str, runs: Path) -> Reading:
    """Return the run that a path, a hash prefix or `last` means. Raises UsageError for an unfinished one, StorageError."""
    return read_folder(store.find(word, runs))


def read_folder(folder: RunFolder) -> Reading:
    """Return the run in a folder. Raises UsageError for an unfinished one, StorageError."""
    outcome, plan = read_outcome(folder), folder.plan()
    when = datetime.fromtimestamp((folder.path / PLAN).stat().st_mtime, UTC).isoformat(timespec="minutes")
    return Reading(folder, outcome, plan, when)
