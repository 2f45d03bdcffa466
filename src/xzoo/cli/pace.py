"""How long a plan will still take, from the wall time of what was computed in this call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xzoo.compare.experiment import CellEnded, CellResumed, CellStarted, EpochEnded, Event
from xzoo.runs.result import Cell


@dataclass
class _Spent:
    """Seconds, and the epochs that they were spent on."""

    seconds: float = 0.0
    epochs: float = 0.0


@dataclass(eq=False)
class Pace:
    """Seconds for each epoch, by contender, by strategy and of all; `heed` is told every event and the time it came at.

    An ended cell counts as many epochs as its recipe has, so that what patience saves is expected of the next one too. What lies
    between two cells, as when a backbone is made ready, is expected once for each backbone that has not begun.
    """

    cells: Sequence[Cell]
    now: float
    _spent: dict[str, _Spent] = field(default_factory=dict)
    _gaps: dict[str, float] = field(default_factory=dict)
    _waiting: dict[str, Cell] = field(default_factory=dict)
    _running: Cell | None = None
    _began: float = 0.0
    _epochs: int = 0
    _before: int = 0

    def __post_init__(self) -> None:
        self._waiting = {cell.id: cell for cell in self.cells}
        self._began = self.now

    def heed(self, event: Event, now: float) -> None:
        """Take note of an event."""
        if isinstance(event, CellStarted):
            label = _label(event.cell)
            self._gaps[label] = self._gaps.get(label, 0.0) + now - self._began
            self._waiting.pop(event.cell.id, None)
            self._running, self._began, self._epochs, self._before = event.cell, now, 0, 0
        elif isinstance(event, CellResumed):
            self._before = event.resumed.epochs
        elif isinstance(event, EpochEnded):
            self._epochs += 1
        elif isinstance(event, CellEnded):
            self._waiting.pop(event.result.id, None)
            if self._running is not None and self._running.id == event.result.id:
                if event.result.status == "done":
                    self._note(self._running, now - self._began, _epochs(self._running) - self._before)
                self._running = None
            self._began = now
        self.now = now

    def left(self, now: float) -> float | None:
        """Return the seconds that are left; None while nothing tells."""
        if not self._waiting and self._running is None:
            return 0.0
        rates = [self._rate(cell) for cell in self._waiting.values()]
        own = self._own_rate()
        if own is None or any(rate is None for rate in rates):
            return None
        total = sum(rate * _epochs(cell) for rate, cell in zip(rates, self._waiting.values(), strict=True) if rate is not None)
        if self._running is not None:
            total += max(0.0, own * (_epochs(self._running) - self._before - self._epochs) - (now - self.now))
        unknown = {_label(cell) for cell in self._waiting.values()} - self._gaps.keys()
        return total + len(unknown) * sum(self._gaps.values()) / max(len(self._gaps), 1)

    def _note(self, cell: Cell, seconds: float, num_epochs: int) -> None:
        for key in _keys(cell) if num_epochs else ():
            spent = self._spent.setdefault(key, _Spent())
            spent.seconds += seconds
            spent.epochs += num_epochs

    def _rate(self, cell: Cell) -> float | None:
        """Return seconds for each epoch of a cell: of its contender, else of its strategy, else of all; what runs counts too."""
        running = self._running if self._epochs else None
        for key in _keys(cell):
            spent = self._spent.get(key, _Spent())
            seconds, epochs = spent.seconds, spent.epochs
            if running is not None and key in _keys(running):
                seconds, epochs = seconds + self.now - self._began, epochs + self._epochs
            if epochs:
                return seconds / epochs
        return None

    def _own_rate(self) -> float | None:
        if self._running is None:
            return 0.0
        return (self.now - self._began) / self._epochs if self._epochs else self._rate(self._running)


def _epochs(cell: Cell) -> int:
    return int(cell.recipe["epochs"])


def _label(cell: Cell) -> str:
    return f"{cell.backbone}@{cell.weights}"


def _keys(cell: Cell) -> tuple[str, ...]:
    return cell.contender, f"strategy {cell.freeze}", ""
