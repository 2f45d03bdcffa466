"""Progress on stderr: a live view where it is a terminal, plain lines where it is not."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from xzoo.cli.frame import say
from xzoo.compare.experiment import CellEnded, CellLost, CellResumed, CellsAwaited, CellStarted, EpochEnded, Event
from xzoo.data.items import printable

if TYPE_CHECKING:
    from xzoo.compare.plan import Plan


def follow(events: Iterator[Event], plan: Plan, first_line: str, folder: str, device: str = "cpu") -> None:
    """Use up the events and show them; the first line says which images train, validate and test.

    The view needs a terminal, whatever FORCE_COLOR says, that can move its cursor and show its letters; NO_COLOR takes its
    colours alone.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
    console.print(first_line)
    console.print(f"{len(plan.cells)} cell{'s' * (len(plan.cells) > 1)}, kept in {folder}")
    if sys.stderr.isatty() and console.is_interactive and console.encoding.startswith("utf"):
        _live(events, plan, console, device)
        return
    speaking = ""
    for event in events:
        if isinstance(event, EpochEnded | CellResumed) and event.cell.id != speaking:  # several run at a time
            speaking = event.cell.id
            say(_flat(f"{event.cell.contender}, seed {event.cell.seed}:"))
        elif isinstance(event, CellStarted):
            speaking = event.cell.id
        for line in lines_of(event):
            say(_flat(line))


def lines_of(event: Event) -> list[str]:
    """Return an event as plain lines: one, and one more for each checkpoint that a resumed cell could not go on from."""
    if isinstance(event, CellsAwaited):
        cells = f"{event.num_cells} cell{'s' if event.num_cells > 1 else ''}"
        return [f"{cells} of this plan: computed by another command ({', '.join(event.holders)}); waiting for it"]
    if isinstance(event, CellLost):
        return [f"{event.cell.contender}, seed {event.cell.seed}: its worker was lost, {event.reason}; it is computed elsewhere"]
    return resumed_lines(event) if isinstance(event, CellResumed) else [line_of(event)]


def resumed_lines(event: CellResumed) -> list[str]:
    """Return where a cell goes on, behind what could not be used."""
    resumed, epochs = event.resumed, event.cell.recipe["epochs"]
    place = f"epoch {resumed.epochs + 1} of {epochs}"
    if resumed.epochs == epochs:
        place = "its evaluation"
    elif resumed.step:
        place += f", behind step {resumed.step} of {resumed.num_steps}"
    goes_on = f"goes on from a checkpoint in {place}" if resumed.times else "begins anew, since no checkpoint could be used"
    return [f"  {line}" for line in (*resumed.messages, goes_on)]


def line_of(event: CellStarted | EpochEnded | CellEnded) -> str:
    """Return an event as one plain line."""
    if isinstance(event, EpochEnded):
        record = event.record
        told = [f"loss {record.train_loss:.4f}, accuracy {record.train_accuracy:.3f}"]
        if record.val_loss is not None and record.val_accuracy is not None:
            told.append(f"validation loss {record.val_loss:.4f}, accuracy {record.val_accuracy:.3f}")
        return f"  epoch {record.epoch + 1}: {', '.join(told)}, {record.seconds:.1f} s"
    if isinstance(event, CellStarted):
        return f"[{event.place}/{event.num_cells}] {event.cell.contender}, seed {event.cell.seed}"
    return ended_line(event)


def ended_line(event: CellEnded) -> str:
    """Return how a cell ended."""
    result = event.result
    name = f"[{event.place}/{event.num_cells}] {result.contender}, seed {result.seed}"
    if result.status == "failed" and result.error:
        return f"{name}: failed: {result.error['text']}"
    accuracies = ", ".join(
        f"{word} {measured.accuracy.value:.3f}"
        for word, measured in (("validation", result.val), ("test", result.test))
        if measured is not None and measured.accuracy is not None
    )
    return f"{name}: {accuracies}{' (kept from before)' if event.was_kept else ''}"


def _live(events: Iterator[Event], plan: Plan, console: Console, device: str) -> None:
    from xzoo.cli.board import Board
    from xzoo.cli.live import Steady, View, memory_of

    board = Board(plan.cells, time.monotonic())
    with Steady(View(board, memory_of(device)), console) as live:
        for event in events:
            board.heed(event, time.monotonic())
            if isinstance(event, CellEnded | CellLost | CellResumed | CellsAwaited):
                for line in lines_of(event):
                    live.say(_flat(line))


def _flat(line: str) -> str:
    """Return a line without breaks and with control characters written out: names and errors come from strangers."""
    return printable(" ".join(line.splitlines()))
