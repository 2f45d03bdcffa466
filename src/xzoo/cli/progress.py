"""Progress on stderr: a live line where it is a terminal, plain lines where it is not."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from xzoo.compare.experiment import CellEnded, CellStarted, EpochEnded, Event

if TYPE_CHECKING:
    from xzoo.compare.plan import Plan


def follow(events: Iterator[Event], plan: Plan, first_line: str, folder: str) -> None:
    """Use up the events and show them; the first line says which images train, validate and test."""
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
    console.print(first_line)
    console.print(f"{len(plan.cells)} cell{'s' * (len(plan.cells) > 1)}, kept in {folder}")
    if console.is_terminal:
        _live(events, plan, console)
        return
    for event in events:
        print(line_of(event), file=sys.stderr, flush=True)


def line_of(event: Event) -> str:
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


def _live(events: Iterator[Event], plan: Plan, console: Console) -> None:
    began, total = time.monotonic(), sum(cell.recipe["epochs"] for cell in plan.cells)
    worked = 0
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("preparing", total=total, note="")
        for event in events:
            if isinstance(event, CellStarted):
                progress.update(task, description=escape(line_of(event)))
            elif isinstance(event, EpochEnded):
                worked += 1
                left = (time.monotonic() - began) / worked * (total - progress.tasks[0].completed - 1)
                note = f"epoch {event.record.epoch + 1}  loss {event.record.train_loss:.3f}  {_clock(left)} left"
                progress.update(task, advance=1, note=note)
            else:
                console.print(ended_line(event))
                if event.was_kept:
                    total -= next(cell.recipe["epochs"] for cell in plan.cells if cell.id == event.result.id)
                    progress.update(task, total=total)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
