"""How long a plan will still take, from the wall time of what was computed in this call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xzoo.compare.experiment import CellEnded, CellLost, CellResumed, CellStarted, EpochEnded, Event
from xzoo.runs.result import Cell


@dataclass
class _Spent:
    """Seconds, and the epochs that they were spent on."""

    seconds: float = 0.0
    epochs: float = 0.0


@dataclass(eq=False)
class _Running:
    """A cell that runs since `began`, in its `epochs`-th epoch of this call, behind those that an earlier one made."""

    cell: Cell
    began: float
    epochs: int = 0
    before: int = 0

    @property
    def left(self) -> int:
        """Epochs that are still to come."""
        return _epochs(self.cell) - self.before - self.epochs


@dataclass(eq=False)
class Pace:
    """Seconds for each epoch, by contender, by strategy and of all; `heed` is told every event and the time it came at.

    An ended cell counts as many epochs as its recipe has, so that what patience saves is expected of the next one too. What lies
    between two cells, as when a backbone is made ready, is expected once for each backbone that has not begun. Where several
    cells run at a time, as on a cluster, as many are expected to do so to the end.
    """

    cells: Sequence[Cell]
    now: float
    _spent: dict[str, _Spent] = field(default_factory=dict)
    _gaps: dict[str, float] = field(default_factory=dict)
    _waiting: dict[str, Cell] = field(default_factory=dict)
    _running: dict[str, _Running] = field(default_factory=dict)
    _idle_since: float = 0.0

    def __post_init__(self) -> None:
        self._waiting = {cell.id: cell for cell in self.cells}
        self._idle_since = self.now

    def heed(self, event: Event, now: float) -> None:
        """Take note of an event."""
        if isinstance(event, CellStarted):
            label = event.cell.label
            self._gaps[label] = self._gaps.get(label, 0.0) + (0.0 if self._running else now - self._idle_since)
            self._waiting.pop(event.cell.id, None)
            self._running[event.cell.id] = _Running(event.cell, now)
        elif isinstance(event, CellResumed) and event.cell.id in self._running:
            self._running[event.cell.id].before = event.resumed.epochs
        elif isinstance(event, EpochEnded) and event.cell.id in self._running:
            self._running[event.cell.id].epochs += 1
        elif isinstance(event, CellLost):
            self._running.pop(event.cell.id, None)
            self._waiting[event.cell.id] = event.cell
        elif isinstance(event, CellEnded):
            self._waiting.pop(event.result.id, None)
            running = self._running.pop(event.result.id, None)
            if running is not None and event.result.status == "done":
                self._note(running.cell, now - running.began, _epochs(running.cell) - running.before)
            self._idle_since = now
        self.now = now

    def left(self, now: float) -> float | None:
        """Return the seconds that are left; None while nothing tells."""
        if not self._waiting and not self._running:
            return 0.0
        waiting = [(self._rate(cell), _epochs(cell)) for cell in self._waiting.values()]
        running = [(self._own_rate(one), one.left) for one in self._running.values()]
        if any(rate is None for rate, _ in [*waiting, *running]):
            return None
        total = sum(rate * epochs for rate, epochs in waiting if rate is not None)
        total += sum(max(0.0, rate * epochs - (now - self.now)) for rate, epochs in running if rate is not None)
        unknown = {cell.label for cell in self._waiting.values()} - self._gaps.keys()
        total += len(unknown) * sum(self._gaps.values()) / max(len(self._gaps), 1)
        return total / max(len(self._running), 1)

    def _note(self, cell: Cell, seconds: float, num_epochs: int) -> None:
        for key in _keys(cell) if num_epochs else ():
            spent = self._spent.setdefault(key, _Spent())
            spent.seconds += seconds
            spent.epochs += num_epochs

    def _rate(self, cell: Cell) -> float | None:
        """Return seconds for each epoch of a cell: of its contender, else of its strategy, else of all; what runs counts too."""
        begun = [one for one in self._running.values() if one.epochs]
        for key in _keys(cell):
            spent = self._spent.get(key, _Spent())
            alike = [one for one in begun if key in _keys(one.cell)]
            epochs = spent.epochs + sum(one.epochs for one in alike)
            if epochs:
                return (spent.seconds + sum(self.now - one.began for one in alike)) / epochs
        return None

    def _own_rate(self, running: _Running) -> float | None:
        return (self.now - running.began) / running.epochs if running.epochs else self._rate(running.cell)


def _epochs(cell: Cell) -> int:
    return int(cell.recipe["epochs"])


def _keys(cell: Cell) -> tuple[str, ...]:
    return cell.contender, f"strategy {cell.freeze}", ""
