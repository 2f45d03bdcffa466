"""The live view of a comparison: cells, the running cell's curves, time and memory, redrawn in place a few times a second."""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from xzoo.cli.board import DONE, FAILED, RUNNING, WAITING, Board
from xzoo.data.items import printable
from xzoo.report.strokes import sparkline

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult

PER_SECOND = 2
"""Redraws, however many events come: what is drawn costs training a few milliseconds of every second."""

_WIDEST = 100
_MOST_EPOCHS = 1000
_ECHO = 3
"""Columns that stay free: a terminal writes ^C behind the last line, which must not wrap."""
_SIGNS = {DONE: ("●", "green"), FAILED: ("✗", "red"), RUNNING: ("◐", "yellow"), WAITING: ("○", "dim")}


class View:
    """What the board says, in lines that fit the terminal as wide as it is at the moment; names are text and never markup."""

    def __init__(self, board: Board, memory: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._board, self._memory, self._clock = board, memory, clock
        self._drawn: list[int] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = self.lines(options.max_width)[: max(1, options.size.height - 1)]
        self._drawn = [line.cell_len for line in lines]
        yield from lines

    def wrapped(self, width: int) -> int:
        """Return how many rows more than lines the last drawing takes on a terminal that has become `width` columns narrow."""
        return sum(max(0, -(-length // max(width, 1)) - 1) for length in self._drawn)

    def lines(self, columns: int) -> list[Text]:
        """Return the lines for a terminal of so many columns."""
        width = max(1, min(columns, _WIDEST) - _ECHO)
        return [_fitted(line, width) for line in (self._cells(width), *self._running(width), self._costs())]

    def _cells(self, width: int) -> Text:
        board, line = self._board, Text("cells  ")
        for state in board.columns(max(8, width - 48)):
            line.append(*_SIGNS[state])
        failed = f", {board.count(FAILED)} failed" if board.count(FAILED) else ""
        return line.append(f"  {board.count(DONE)} of {len(board.cells)} done{failed}, {board.count(WAITING)} waiting")

    def _running(self, width: int) -> list[Text]:
        cell, curves = self._board.running, list(self._board.curves)
        if cell is None:
            return [Text("making the next backbone ready")]
        found = [Text(f"{printable(cell.contender)}, seed {cell.seed}", "bold")]
        epoch = f"epoch {len(curves)} of {cell.recipe['epochs']}"
        # A thousand epochs tell as much as all of a hundred thousand, and cost as little as few.
        some = [*curves[: -1 : len(curves) // _MOST_EPOCHS + 1], *curves[-1:]]
        losses = [one.train_loss for one in some]
        shares = [one.val_accuracy for one in some if one.val_accuracy is not None]
        room = max(4, min(40, width - 44))
        found.append(_curve("  train loss           ", losses, room, epoch))
        if shares:
            found.append(_curve("  validation accuracy  ", shares, room))
        return found

    def _costs(self) -> Text:
        now = self._clock()
        left = self._board.pace.left(now)
        rest = f"about {clock(left)} left" if left is not None else "time left not known yet"
        return Text(", ".join(word for word in (f"{clock(now - self._board.began)} gone", rest, self._memory()) if word))


class Steady(Live):
    """A view that is erased whole when the terminal has become narrower meanwhile, and lines that stay above it.

    A terminal that is made narrower breaks the lines that stand on it, so that the view takes more rows than it was given.
    """

    def __init__(self, view: View, console: Console) -> None:
        # What a plugin prints goes above the view where it is meant for this terminal, and nowhere else.
        to_terminal = sys.stdout.isatty()
        super().__init__(view, console=console, refresh_per_second=PER_SECOND, transient=True, redirect_stdout=to_terminal)
        self._view = view
        self._pending: deque[str] = deque()

    def say(self, line: str) -> None:
        """Have a line written above the view with the next redraw."""
        self._pending.append(line)

    def refresh(self) -> None:
        """Write what is pending and draw the view anew, in one go."""
        lines = [self._pending.popleft() for _ in range(len(self._pending))]
        if lines:
            self.console.print(Text("\n".join(lines)))
        else:
            super().refresh()

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Return what is to be written: the cursor goes back over rows that the terminal has added before all else."""
        above = self._view.wrapped(self.console.width)
        erased = ((ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)) * above
        return [Control(ControlType.CARRIAGE_RETURN, *erased), *super().process_renderables(renderables)]


def memory_of(device: str) -> Callable[[], str]:
    """Return a function that tells the memory this process holds now, and what torch holds of a CUDA device, without a wait."""

    def tell() -> str:
        words = [f"{_resident() / 2**30:.1f} GiB of memory"]
        if device.startswith("cuda"):
            import torch

            total = torch.cuda.get_device_properties(device).total_memory
            words.append(f"{torch.cuda.memory_reserved(device) / 2**30:.1f} of {total / 2**30:.0f} GiB on {device}")
        return ", ".join(words)

    return tell


def clock(seconds: float) -> str:
    """Return a time as `0:42`, `12:05` or `3:12:05`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _fitted(line: Text, width: int) -> Text:
    """Return a line that takes so many columns at most; a letter of two columns is left out whole."""
    if line.cell_len <= width:
        return line
    kept = set_cell_size(line.plain, width - 1)
    return line[: len(kept) - (not line.plain.startswith(kept))].append("…")


def _curve(name: str, values: list[float], room: int, note: str = "") -> Text:
    last = f"{values[-1]:.3f}" if values else "-"
    drawn = sparkline(values, room)
    return Text(name).append(drawn, "cyan").append(" " * (room - cell_len(drawn))).append(f"  {last}  {note}".rstrip())


def _resident() -> int:
    """Return the bytes that this process holds; where the system does not say, the most that it has held."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
