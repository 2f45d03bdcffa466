"""Where a plan stands: which cells are done, which run with what curves, and how long the rest will take."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from xzoo.cli.pace import Pace
from xzoo.compare.experiment import CellEnded, CellLost, CellResumed, CellStarted, EpochEnded, Event
from xzoo.runs.result import Cell, EpochRecord

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass(eq=False)
class Board:
    """The state of every cell, in the plan's order, since the time `began`; events alone change it."""

    cells: Sequence[Cell]
    began: float
    states: dict[str, str] = field(default_factory=dict)
    pace: Pace = field(init=False)
    _running: dict[str, tuple[Cell, list[EpochRecord]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.states = dict.fromkeys((cell.id for cell in self.cells), WAITING)
        self.pace = Pace(self.cells, self.began)

    def heed(self, event: Event, now: float) -> None:
        """Take note of an event that came at a time, in seconds of any clock that only goes forward."""
        self.pace.heed(event, now)
        if isinstance(event, CellStarted):
            self._running[event.cell.id] = event.cell, []
            self.states[event.cell.id] = RUNNING
        elif isinstance(event, EpochEnded):
            self._running[event.cell.id][1].append(event.record)
        elif isinstance(event, CellResumed):
            self._running[event.cell.id] = event.cell, list(event.resumed.curves)
        elif isinstance(event, CellLost):
            self._running.pop(event.cell.id, None)
            self.states[event.cell.id] = WAITING
        elif isinstance(event, CellEnded):
            self.states[event.result.id] = DONE if event.result.status == "done" else FAILED
            self._running.pop(event.result.id, None)

    @property
    def running(self) -> Cell | None:
        """The cell that runs; of several, as on a cluster, the first to have begun."""
        return next((cell for cell, _ in self._running.values()), None)

    @property
    def curves(self) -> list[EpochRecord]:
        """The epochs of the cell that runs."""
        return next((curves for _, curves in self._running.values()), [])

    def count(self, state: str) -> int:
        """Return how many cells are in a state."""
        return list(self.states.values()).count(state)

    def columns(self, most: int) -> list[str]:
        """Return a state for each cell; of more than `most` cells one for each of as many equal groups of neighbours.

        A group in which one cell runs is running, one in which one failed is failed, and one is done when all of it is.
        """
        states = list(self.states.values())
        if len(states) <= most:
            return states
        ends = [place * len(states) // most for place in range(most + 1)]
        groups = [set(states[a:b]) for a, b in itertools.pairwise(ends)]
        return [next(state for state in (RUNNING, FAILED, WAITING, DONE) if state in group) for group in groups]
