"""Where a plan stands: which cells are done, which one runs with what curves, and how long the rest will take."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from xzoo.cli.pace import Pace
from xzoo.compare.experiment import CellEnded, CellResumed, CellStarted, EpochEnded, Event
from xzoo.runs.result import Cell, EpochRecord

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass(eq=False)
class Board:
    """The state of every cell, in the plan's order, since the time `began`; events alone change it."""

    cells: Sequence[Cell]
    began: float
    states: dict[str, str] = field(default_factory=dict)
    running: Cell | None = None
    curves: list[EpochRecord] = field(default_factory=list)
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self.states = dict.fromkeys((cell.id for cell in self.cells), WAITING)
        self.pace = Pace(self.cells, self.began)

    def heed(self, event: Event, now: float) -> None:
        """Take note of an event that came at a time, in seconds of any clock that only goes forward."""
        self.pace.heed(event, now)
        if isinstance(event, CellStarted):
            self.curves = []
            self.running = event.cell
            self.states[event.cell.id] = RUNNING
        elif isinstance(event, EpochEnded):
            self.curves.append(event.record)
        elif isinstance(event, CellResumed):
            self.curves = list(event.resumed.curves)
        elif isinstance(event, CellEnded):
            self.states[event.result.id] = DONE if event.result.status == "done" else FAILED
            self.running = None

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
