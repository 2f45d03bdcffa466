"""A plan carried out: cells in turn, each kept when it is done, told as events."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from xzoo.compare.finishing import Output
from xzoo.compare.items import alone, facts_of, failure, several
from xzoo.compare.plan import Plan
from xzoo.compare.resuming import Resumed
from xzoo.compare.sharing import Sharing
from xzoo.compare.together import Begun, Item, groups
from xzoo.errors import StorageError
from xzoo.model import fetch
from xzoo.runs.result import Cell, CellResult, EpochRecord
from xzoo.runs.store import RunFolder
from xzoo.train import memory
from xzoo.train.checkpoint import interval
from xzoo.train.device import Device
from xzoo.train.prepared import Prepared, prepare
from xzoo.zoo.spec import Choice, FileStart, Weights


@dataclass(frozen=True)
class CellStarted:
    """A cell begins; it is number `place` of `num_cells`, counted from 1."""

    cell: Cell
    place: int
    num_cells: int


@dataclass(frozen=True)
class CellResumed:
    """A cell that has begun goes on from a checkpoint, or `resumed` says why it cannot."""

    cell: Cell
    resumed: Resumed


@dataclass(frozen=True)
class EpochEnded:
    """An epoch of a cell ended."""

    cell: Cell
    record: EpochRecord


@dataclass(frozen=True)
class CellLost:
    """A cell that has begun elsewhere was lost with its worker, for a `reason`, and will begin again."""

    cell: Cell
    reason: str


@dataclass(frozen=True)
class CellEnded:
    """A cell has its result; `was_kept` where it came from an earlier run of the command."""

    result: CellResult
    place: int
    num_cells: int
    was_kept: bool


@dataclass(frozen=True)
class CellsAwaited:
    """Other commands of the same plan compute what is left; `holders` are their processes, and what they end is told as kept."""

    num_cells: int
    holders: tuple[str, ...]


Event = CellStarted | CellResumed | EpochEnded | CellLost | CellEnded | CellsAwaited

Launch = Callable[[Plan, Sharing, Device, Sequence[Cell], Mapping[str, int]], Iterator[Event]]
"""Computes cells of a plan that nobody else does, keeps them, and yields events; with the place of each cell in the plan."""


def run(plan: Plan, folder: RunFolder, device: Device, launch: Launch | None = None) -> Generator[Event]:
    """Tell what the run folder holds, compute what is missing from it, and yield events.

    `launch` computes cells, here and backbone by backbone unless another is given. Raises WeightsError before any cell where a
    file of weights is not what it should be, and StorageError.
    """
    launch = launch or one_by_one
    interval()  # what is no number of seconds is told before anything is computed
    missing = {cell.id for cell in plan.cells if not folder.has(cell.id)}
    for label in dict.fromkeys(cell.label for cell in plan.cells if cell.id in missing):
        check_start(plan.choices[label])
    folder.write_plan(plan.described())
    places = {cell.id: place for place, cell in enumerate(plan.cells, 1)}
    with Sharing(folder, plan.cells, missing) as sharing:
        todo: list[Cell] = []
        for label, group in itertools.groupby(plan.cells, key=attrgetter("label")):
            cells = list(group)
            for cell in cells:
                if cell.id not in missing and (result := folder.cell(cell.id)):
                    folder.drop_checkpoints(cell.id)
                    yield CellEnded(result, places[cell.id], len(plan.cells), was_kept=True)
            still_open = [cell for cell in cells if cell.id in sharing.open]
            todo += still_open or ([] if knows(plan, folder, label) else cells[:1])
        yield from launch(plan, sharing, device, todo, places)
        told: set[tuple[str, ...]] = {()}
        while sharing.open:
            for result in sharing.elsewhere():
                yield CellEnded(result, places[result.id], len(plan.cells), was_kept=True)
            if (holders := sharing.holders()) not in told:
                told |= {holders}
                yield CellsAwaited(len(sharing.open), holders)
            yield from launch(plan, sharing, device, sharing.free(), places)
    if all(folder.is_finished(cell.id) for cell in plan.cells):
        folder.drop_checkpoints()


def check_start(choice: Choice) -> None:
    """Raise WeightsError where a file of weights was altered, or holds another network's."""
    path = fetch.where(choice)
    if isinstance(choice.start, FileStart):
        prepare(choice)
    elif isinstance(choice.start, Weights) and path is not None:
        fetch.verify(path, choice.start)


def one_by_one(plan: Plan, sharing: Sharing, device: Device, cells: Sequence[Cell], places: Mapping[str, int]) -> Iterator[Event]:
    """Compute the cells here, backbone by backbone; of one whose cells are all done, one stands for what is not known of it."""
    for label, group in itertools.groupby(cells, key=attrgetter("label")):
        yield from _backbone(plan, sharing, device, plan.choices[label], list(group), places)


@dataclass(eq=False)
class Telling:
    """Tells what comes of cells as events, wherever they are computed; what ends a cell is written first."""

    plan: Plan
    sharing: Sharing
    places: Mapping[str, int]
    begun: set[str] = field(default_factory=set)

    def of(self, cell: Cell, item: Begun | Resumed | EpochRecord | Output | CellResult) -> Iterator[Event]:
        """Tell one thing that came of a cell; a result by itself is that of a cell that failed. Raises StorageError."""
        folder, place, num_cells = self.sharing.folder, self.places[cell.id], len(self.plan.cells)
        if cell.id not in self.begun:
            self.begun.add(cell.id)
            folder.drop_cell(cell.id)
            yield CellStarted(cell, place, num_cells)
        if isinstance(item, EpochRecord):
            yield EpochEnded(cell, item)
        elif isinstance(item, Resumed):
            yield CellResumed(cell, item)
        elif isinstance(item, Output | CellResult):
            result = item.result if isinstance(item, Output) else item
            if isinstance(item, Output):
                keep(self.plan, folder, item)
            else:
                folder.write_failure(item)
            self.sharing.ended(cell.id)
            yield CellEnded(result, place, num_cells, was_kept=False)


def _backbone(
    plan: Plan, sharing: Sharing, device: Device, choice: Choice, cells: Sequence[Cell], places: Mapping[str, int]
) -> Iterator[Event]:
    """Compute the cells of a backbone that are open and that nobody else computes."""
    memory.keep_freed()
    prepared: Prepared | Exception
    try:
        prepared = prepare(choice)
    except StorageError:
        raise
    except Exception as error:
        prepared = error
    else:
        _keep_facts(plan, sharing.folder, device, prepared, cells)
    telling = Telling(plan, sharing, places)
    with contextlib.closing(_items(plan, sharing, device, prepared, [one for one in cells if one.id in sharing.open])) as items:
        for cell, item in items:
            yield from telling.of(cell, failure(cell, item) if isinstance(item, Exception) else item)
    memory.give_back()


def _items(
    plan: Plan, sharing: Sharing, device: Device, prepared: Prepared | Exception, cells: Sequence[Cell]
) -> Generator[Item]:
    """Yield each cell's epochs and then its output or error: first those whose heads learn together, then one by one."""
    if isinstance(prepared, Exception):
        yield from ((cell, prepared) for cell in sharing.mine(cells))
        return
    together: set[str] = set()
    for every in groups(cells):
        group = sharing.mine(every)
        together |= {cell.id for cell in every} - {cell.id for cell in group}  # another process has them
        if not group:
            continue
        yield group[0], Begun()
        found = several(plan, sharing.folder, device, prepared, group)
        if found is not None:
            together |= {cell.id for cell in group}
            yield from found
    for cell in cells:
        if cell.id not in together and sharing.mine([cell]):
            yield from alone(plan, sharing.folder, device, prepared, cell)


def _keep_facts(plan: Plan, folder: RunFolder, device: Device, prepared: Prepared, cells: Sequence[Cell]) -> None:
    label = prepared.choice.label
    if not knows(plan, folder, label) and (facts := facts_of(plan, device, prepared, cells)):
        folder.write_facts(label, facts)


def knows(plan: Plan, folder: RunFolder, label: str) -> bool:
    """Whether the run folder holds what the plan asks to know of a backbone."""
    facts = folder.facts(label)
    return facts is not None and (bool(facts.latency) or not plan.latency)


def keep(plan: Plan, folder: RunFolder, output: Output) -> None:
    """Write a cell's output; of the seeds of a contender that trains its body only the best by validation keeps its tensors."""
    result = output.result
    if plan.keep != "none":
        folder.write_learnt(result.id, output.learnt)
    folder.write_cell(result, output.predictions)
    folder.drop_checkpoints(result.id)
    if plan.keep == "best" and result.freeze != "frozen":
        same = [cell.id for cell in plan.cells if cell.contender == result.contender and folder.has(cell.id)]
        done = [found for cell in same if (found := folder.cell(cell)) and found.val]
        best = max(done, key=lambda one: (one.val.accuracy.value, -one.seed) if one.val and one.val.accuracy else (0.0, 0))
        for other in done:
            if other.id != best.id:
                folder.drop_learnt(other.id)
