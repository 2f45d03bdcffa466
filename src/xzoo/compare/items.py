"""The work on cells as both launchers do it, whichever process it runs in: what it yields, and what an error becomes."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence

from xzoo.compare import crew
from xzoo.compare.cell import compute
from xzoo.compare.facts import measure_facts
from xzoo.compare.finishing import failed
from xzoo.compare.layout import is_frozen
from xzoo.compare.learning import Asked
from xzoo.compare.plan import Plan
from xzoo.compare.together import Begun, Item, compute_together
from xzoo.errors import StorageError, XzooError
from xzoo.runs.result import BackboneFacts, Cell, CellResult
from xzoo.runs.store import RunFolder
from xzoo.train.device import Device
from xzoo.train.prepared import Prepared
from xzoo.train.shortage import is_out_of_memory


def alone(plan: Plan, folder: RunFolder | None, device: Device, prepared: Prepared, cell: Cell) -> Generator[Item]:
    """Yield a cell's epochs and its output or error; its checkpoints lie in the run folder, where there is one.

    Of several ranks all work on a cell that learns more than its head. Raises RankError, StorageError.
    """
    yield cell, Begun()
    place = folder.checkpoints(cell.id) if folder else None
    here = crew.alone(device) if is_frozen(cell) else crew.called(device, cell)
    failed_with: Exception | None = None
    try:
        with contextlib.closing(
            compute(prepared, cell, plan.pack, here, positive=plan.positive, watch_test=plan.watch_test, checkpoints=place)
        ) as items:
            for item in items:
                yield cell, item
    except StorageError:
        raise
    except Exception as error:
        failed_with = error
    crew.settle(here.ranks, failed_with)
    if failed_with is not None:
        yield cell, failed_with


def several(
    plan: Plan, folder: RunFolder | None, device: Device, prepared: Prepared, cells: Sequence[Cell]
) -> Iterator[Item] | None:
    """Return what `compute_together` does, an error of what the cells share being the error of each."""
    asked = Asked(plan.positive, plan.watch_test)
    try:
        return compute_together(prepared, cells, plan.pack, crew.alone(device), asked, folder.checkpoints if folder else None)
    except StorageError:
        raise
    except Exception as error:
        return iter([(cell, error) for cell in cells])


def facts_of(plan: Plan, device: Device, prepared: Prepared, cells: Sequence[Cell]) -> BackboneFacts | None:
    """Measure the backbone as the first cell has it that can; a cell that cannot says so itself. Raises StorageError."""
    for cell in cells:
        try:
            return measure_facts(prepared, plan, cell, crew.alone(device))
        except StorageError:
            raise
        except Exception:  # a network of somebody else raises what it likes, and the cell that meets it tells it
            continue
    return None


def failure(cell: Cell, error: Exception) -> CellResult:
    """Return the result of a cell that an error has ended."""
    if isinstance(error, XzooError):
        return failed(cell, error.kind, error.text, error.remedy)
    if is_out_of_memory(error):
        return failed(cell, "memory", f"memory ran out: {error}", "choose a smaller size (--set size=...) or a smaller backbone")
    text = f"{type(error).__name__}: {error}"
    return failed(cell, "bug", text, "if the backbone is your own, correct it; else report this, with the output of --debug")
