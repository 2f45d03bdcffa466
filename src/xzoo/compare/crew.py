"""One command on several ranks: the leader goes through it as if alone, and calls the others for each cell that learns."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xzoo.errors import UsageError, XzooError
from xzoo.train import rendezvous
from xzoo.train.pulse import RankError, Tell
from xzoo.train.ranks import ALONE, Ranks

if TYPE_CHECKING:
    from xzoo.compare.plan import Plan
    from xzoo.runs.result import Cell
    from xzoo.train.device import Device
    from xzoo.train.prepared import Prepared

GRACE = 10.0
"""Seconds in which the other ranks have to fail too where one failed in the middle of a cell: else they wait for it in vain."""


@contextlib.contextmanager
def joined(device: str, tell: Tell | None = None) -> Iterator[tuple[Ranks, str]]:
    """Yield the ranks of this command and this one's device: those that torchrun started, else this process alone.

    Ranks other than the leader print nothing. Raises XzooError; see `rendezvous.connected`.
    """
    place = rendezvous.meeting(os.environ)
    if place is None:
        yield ALONE, device
        return
    kind = place.kind(device)
    with rendezvous.connected(place, kind, tell) as ranks, _silent(is_meant=not ranks.is_leader):
        yield ranks, kind


def planned(ranks: Ranks, make: Callable[[], Plan]) -> Plan:
    """Return the plan, the same on all ranks: the leader fetches and packs before the others look. Raises XzooError."""
    with ranks.leader_first("plan"):
        plan = make()
    if not ranks.are_many:
        return plan
    if len(hashes := set(ranks.gathered(plan.hash))) > 1:
        raise UsageError(
            f"the ranks have {len(hashes)} different plans of one command",
            "start all of them with the same words, data and version of xzoo",
        )
    smallest = min(cell.recipe["batch_size"] for cell in plan.cells)
    if smallest < ranks.count:
        raise UsageError(
            f"batch_size={smallest} has fewer images than there are ranks ({ranks.count})",
            f"start at most {smallest} ranks, or choose a larger batch (--set batch_size=...)",
        )
    return plan


def called(device: Device, cell: Cell) -> Device:
    """Call the others to a cell that learns, and return the device with the ranks as they work on it."""
    if not device.ranks.are_many:
        return device
    ranks = device.ranks.next_turn()
    ranks.post("cell", cell.id)
    return replace(device, ranks=ranks)


def dismiss(device: Device) -> None:
    """Let the others go: no further cell will come."""
    if device.ranks.are_many:
        device.ranks.next_turn().post("cell", "")


def alone(device: Device) -> Device:
    """Return the device for work that the leader does by itself."""
    return replace(device, ranks=ALONE) if device.ranks.are_many else device


def follow(plan: Plan, device: Device) -> None:
    """Work on every cell that the leader calls for, until it lets this rank go. Raises RankError."""
    cells = {cell.id: cell for cell in plan.cells}
    known: dict[str, Prepared] = {}
    while name := (ranks := device.ranks.next_turn()).awaited("cell"):
        error: Exception | None = None
        try:
            _work(plan, cells[name], replace(device, ranks=ranks), known)
        except Exception as raised:
            error = raised
        settle(ranks, error)


def settle(ranks: Ranks, error: Exception | None) -> None:
    """Wait until every rank has ended its part of a cell. Raises RankError where one failed and the others cannot know.

    Where all fail, as with a loss that is no number, the cell has failed and the next one comes.
    """
    if not ranks.are_many:
        return
    ranks.post(f"ended/{ranks.rank}", error is None)
    # Where the leader failed before anything was done together, the others hear of it as soon as they have come so far.
    waits = error is None or ranks.told("laid out") is False
    try:
        for other in range(ranks.count):
            ranks.awaited(f"ended/{other}", None if waits else GRACE)
    except TimeoutError:
        assert error is not None
        told = error if isinstance(error, XzooError) else RankError(f"{type(error).__name__}: {error}")
        remedy = told.remedy or "run the same command again: it goes on from the last checkpoint"
        raise RankFailedError(f"{told.text}; the other ranks wait for this one, so that all had to stop", remedy) from error


class RankFailedError(XzooError):
    """This rank failed alone, while the others wait for it."""

    kind = "cell"
    exit_code = 4


def _work(plan: Plan, cell: Cell, device: Device, known: dict[str, Prepared]) -> None:
    from xzoo.compare.cell import compute
    from xzoo.train.prepared import prepare

    if cell.label not in known:
        known.clear()
        known[cell.label] = prepare(plan.choices[cell.label])
    prepared = known[cell.label]
    with closing(compute(prepared, cell, plan.pack, device, positive=plan.positive, watch_test=plan.watch_test)) as items:
        for _ in items:
            pass


@contextlib.contextmanager
def _silent(*, is_meant: bool) -> Iterator[None]:
    """Let what is printed go nowhere; what the system itself says of a crash still comes."""
    if not is_meant:
        yield
        return
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield
