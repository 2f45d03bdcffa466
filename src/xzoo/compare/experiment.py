"""A plan carried out: cells in turn, each kept when it is done, told as events."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from xzoo.compare.bench import Prepared, build, input_of, view_of
from xzoo.compare.cell import Output, compute, failed
from xzoo.compare.plan import Plan
from xzoo.compare.together import Asked, Begun, Item, compute_together, groups
from xzoo.data.batches import Batches
from xzoo.errors import CellError, PluginError, PreflightError, StorageError, UsageError, XzooError
from xzoo.evaluate.latency import time_batches
from xzoo.model import cost, fetch, weights
from xzoo.model.heads import seeded
from xzoo.runs.result import BackboneFacts, Cell, CellResult, EpochRecord
from xzoo.runs.store import RunFolder
from xzoo.train.device import Device, choose
from xzoo.train.features import tensors_key
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.spec import Choice, FileStart, RandomStart, Weights

LATENCY_BATCHES: tuple[tuple[int, int, float], ...] = ((1, 100, 5.0), (16, 20, 3.0))
"""Batch size, most runs, most seconds: a p99 needs 100 runs, throughput does not."""


@dataclass(frozen=True)
class CellStarted:
    """A cell begins; it is number `place` of `num_cells`, counted from 1."""

    cell: Cell
    place: int
    num_cells: int


@dataclass(frozen=True)
class EpochEnded:
    """An epoch of a cell ended."""

    cell: Cell
    record: EpochRecord


@dataclass(frozen=True)
class CellEnded:
    """A cell has its result; `was_kept` where it came from an earlier run of the command."""

    result: CellResult
    place: int
    num_cells: int
    was_kept: bool


Event = CellStarted | EpochEnded | CellEnded


def run(plan: Plan, folder: RunFolder, device: Device) -> Iterator[Event]:
    """Compute what is missing from the run folder, backbone by backbone, and yield events.

    Raises WeightsError before any cell where a file of weights is not what it should be, and StorageError.
    """
    missing = {cell.id for cell in plan.cells if not folder.has(cell.id)}
    for label in dict.fromkeys(_label(cell) for cell in plan.cells if cell.id in missing):
        check_start(plan.choices[label])
    folder.write_plan(plan.described())
    places = {cell.id: place for place, cell in enumerate(plan.cells, 1)}
    for label, group in itertools.groupby(plan.cells, key=_label):
        cells = list(group)
        todo = [cell for cell in cells if cell.id in missing]
        for cell in cells:
            if cell.id not in missing and (result := folder.cell(cell.id)):
                yield CellEnded(result, places[cell.id], len(plan.cells), was_kept=True)
        if todo or folder.facts(label) is None:
            yield from _backbone(plan, folder, device, plan.choices[label], todo or cells[:1], places, do_train=bool(todo))


def prepare(choice: Choice) -> Prepared:
    """Return a backbone built and loaded. Raises PluginError and WeightsError."""
    number = choice.start.number if isinstance(choice.start, RandomStart) else 0
    with seeded(number, "start"):
        network = choice.backbone.build()
    loaded = weights.load(network, choice)
    tensors = tensors_key(network, choice.backbone.head.path)
    return Prepared(choice, network, loaded, tensors, hashlib.sha256(f"{_source(choice)}\n{tensors}".encode()).hexdigest())


def check_start(choice: Choice) -> None:
    """Raise WeightsError where a file of weights was altered, or holds another network's."""
    path = fetch.where(choice)
    if isinstance(choice.start, FileStart):
        prepare(choice)
    elif isinstance(choice.start, Weights) and path is not None:
        fetch.verify(path, choice.start)


def _backbone(
    plan: Plan,
    folder: RunFolder,
    device: Device,
    choice: Choice,
    cells: Sequence[Cell],
    places: Mapping[str, int],
    *,
    do_train: bool,
) -> Iterator[Event]:
    prepared: Prepared | Exception
    try:
        prepared = prepare(choice)
    except StorageError:
        raise
    except Exception as error:
        prepared = error
    else:
        _keep_facts(plan, folder, device, prepared, cells)
    begun: set[str] = set()
    for cell, item in _items(plan, device, prepared, cells) if do_train else ():
        if cell.id not in begun:
            begun.add(cell.id)
            folder.drop_cell(cell.id)
            yield CellStarted(cell, places[cell.id], len(plan.cells))
        if isinstance(item, EpochRecord):
            yield EpochEnded(cell, item)
        if isinstance(item, EpochRecord | Begun):
            continue
        if isinstance(item, Output):
            keep(plan, folder, item)
            result = item.result
        else:
            result = _failure(cell, item)
            folder.write_failure(result)
        yield CellEnded(result, places[cell.id], len(plan.cells), was_kept=False)


def _items(plan: Plan, device: Device, prepared: Prepared | Exception, cells: Sequence[Cell]) -> Iterator[Item]:
    """Yield each cell's epochs and then its output or error: first those whose heads learn together, then one by one."""
    if isinstance(prepared, Exception):
        yield from ((cell, prepared) for cell in cells)
        return
    together: set[str] = set()
    for group in groups(cells):
        yield group[0], Begun()
        try:
            found = compute_together(prepared, group, plan.pack, device, Asked(plan.positive, plan.watch_test))
        except StorageError:
            raise
        except Exception as error:
            found = iter([(cell, error) for cell in group])
        if found is not None:
            together |= {cell.id for cell in group}
            yield from found
    for cell in cells:
        if cell.id not in together:
            yield from _alone(plan, device, prepared, cell)


def _alone(plan: Plan, device: Device, prepared: Prepared, cell: Cell) -> Iterator[Item]:
    yield cell, Begun()
    try:
        for item in compute(prepared, cell, plan.pack, device, positive=plan.positive, watch_test=plan.watch_test):
            yield cell, item
    except StorageError:
        raise
    except Exception as error:
        yield cell, error


def _keep_facts(plan: Plan, folder: RunFolder, device: Device, prepared: Prepared, cells: Sequence[Cell]) -> None:
    """Measure the backbone as the first cell has it that can; a cell that cannot says so itself."""
    if folder.facts(prepared.choice.label) is not None:
        return
    for cell in cells:
        with contextlib.suppress(CellError, PluginError, UsageError, RuntimeError):
            folder.write_facts(prepared.choice.label, measure_facts(prepared, plan, cell, device))
            return


def keep(plan: Plan, folder: RunFolder, output: Output) -> None:
    """Write a cell's output; of the seeds of a contender that trains its body only the best by validation keeps its tensors."""
    result = output.result
    if plan.keep != "none":
        folder.write_learnt(result.id, output.learnt)
    folder.write_cell(result, output.predictions)
    if plan.keep == "best" and result.freeze != "frozen":
        same = [cell.id for cell in plan.cells if cell.contender == result.contender and folder.has(cell.id)]
        done = [found for cell in same if (found := folder.cell(cell)) and found.val]
        best = max(done, key=lambda one: (one.val.accuracy.value, -one.seed) if one.val and one.val.accuracy else (0.0, 0))
        for other in done:
            if other.id != best.id:
                folder.drop_learnt(other.id)


def measure_facts(prepared: Prepared, plan: Plan, cell: Cell, device: Device) -> BackboneFacts:
    """Return parameters, GMACs with the published head, and the latency of the network as this data needs it."""
    choice, recipe, pack = prepared.choice, make_recipe(cell.recipe), plan.pack
    device = choose(device.kind, recipe.precision)
    preprocess = input_of(choice, recipe)
    classifier = build(prepared, len(pack.classes), recipe, cell.seed, preprocess, device)
    view = view_of(pack, preprocess, recipe)
    latency = []
    for batch, max_n, budget_s in LATENCY_BATCHES:
        indices = torch.arange(batch).remainder(len(pack)).numpy()
        images_BCHW, _ = next(Batches(view, pack.labels_N, indices, preprocess, max(2, batch), device=device.kind).ordered())
        latency.append(time_batches(classifier.network, images_BCHW, precision=device.precision, budget_s=budget_s, max_n=max_n))
    auxiliary = [one.path for one in choice.backbone.auxiliary]
    loaded, gmacs_at = prepared.loaded, _gmacs_at(prepared, plan)
    start = {"name": choice.weights_name, "licence": loaded.licence, "sha256": loaded.sha256, "source": loaded.source}
    return BackboneFacts(
        params=cost.count_params(prepared.network, exclude=auxiliary),
        params_with_auxiliary=cost.count_params(prepared.network),
        gmacs=gmacs_at[str(recipe.size)],
        size=preprocess.shape,
        weights={**start, "body": prepared.tensors},
        gmacs_at=gmacs_at,
        latency=tuple(latency),
        origin=choice.origin,
    )


def _gmacs_at(prepared: Prepared, plan: Plan) -> dict[str, float]:
    """Return the GMACs at every `size` of the plan's recipes that the network takes; 0 is its own size."""
    found = {}
    for size in dict.fromkeys(cell.recipe["size"] for cell in plan.cells):
        with contextlib.suppress(PreflightError):
            preprocess = input_of(prepared.choice, make_recipe({"size": size}))
            found[str(size)] = cost.gmacs(prepared.network, preprocess.shape, preprocess.num_channels)
    return found


def _label(cell: Cell) -> str:
    return f"{cell.backbone}@{cell.weights}"


def _failure(cell: Cell, error: Exception) -> CellResult:
    if isinstance(error, XzooError):
        return failed(cell, error.kind, error.text, error.remedy)
    if isinstance(error, torch.OutOfMemoryError):
        return failed(cell, "memory", f"the device ran out of memory: {error}", "lower batch_size, or choose a smaller size")
    text = f"{type(error).__name__}: {error}"
    return failed(cell, "bug", text, "if the backbone is your own, correct it; else report this, with the output of --debug")


def _source(choice: Choice) -> str:
    """Return what tells one version of a backbone's code from another; a value made in Python is never shared."""
    if choice.origin == "python":
        return uuid.uuid4().hex
    path = Path(choice.origin)
    code = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else choice.origin
    start = choice.start.path if isinstance(choice.start, FileStart) else choice.weights_name
    return f"{choice.backbone.name} {code} {start}"
