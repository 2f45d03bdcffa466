"""Cells of one run shared by the processes that compute it at the same time: each cell is computed by one of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from xzoo.runs.claims import Claims
from xzoo.runs.result import Cell, CellResult
from xzoo.runs.store import RunFolder

_WAIT_SECONDS = 0.2


class Sharing:
    """The cells that are still open, in the plan's order, and which of them this process may compute."""

    def __init__(self, folder: RunFolder, cells: Sequence[Cell], missing: Collection[str]) -> None:
        self.folder, self.claims = folder, Claims(folder.claims)
        self.open = {cell.id: cell for cell in cells if cell.id in missing}
        self._failed_before = {cell: _identity(folder.failure(cell)) for cell in self.open}
        self._finished = [cell.id for cell in cells if cell.id not in missing]

    def __enter__(self) -> Sharing:
        for cell in self._finished:
            self.claims.tidy(cell)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.claims.close()

    def mine(self, cells: Sequence[Cell]) -> list[Cell]:
        """Return those that nobody else computes or has computed, nor will until they have `ended`. Raises StorageError."""
        return [cell for cell in cells if self._take(cell)]

    def ended(self, cell: str) -> None:
        """Give back a cell whose result or failure is written."""
        self.open.pop(cell, None)
        self.claims.release(cell)

    def elsewhere(self) -> Iterator[CellResult]:
        """Yield the results of open cells that others have ended meanwhile. Raises StorageError."""
        for cell in list(self.open):
            if self._has_ended(cell) and (result := self.folder.cell(cell)):
                del self.open[cell]
                yield result

    def holders(self) -> tuple[str, ...]:
        """Return the processes that compute open cells, in words, each once."""
        found = (self.claims.holder(cell) for cell in self.open)
        return tuple(dict.fromkeys(holder for holder in found if holder))

    def free(self) -> list[Cell]:
        """Return the open cells that nobody computes now; where there are none, wait a moment first."""
        found = [cell for cell in self.open.values() if self.claims.is_free(cell.id)]
        if self.open and not found:
            time.sleep(_WAIT_SECONDS)
        return found

    def _take(self, cell: Cell) -> bool:
        if not self.claims.take(cell.id):
            return False
        if self._has_ended(cell.id):  # a moment before the claim was free
            self.claims.release(cell.id)
            return False
        return True

    def _has_ended(self, cell: str) -> bool:
        if self.folder.is_finished(cell) and self.folder.has(cell):
            return True
        return _identity(self.folder.failure(cell)) not in {None, self._failed_before.get(cell)}


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what differs once a file was written again, or None where there is none."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_ino, status.st_mtime_ns
    return None
