"""Frozen cells of one backbone computed together: its body runs once, and their heads are trained as one batched problem.

N = images, D = features and a constant 1, O = outputs
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from xzoo.compare.bench import Bench, Prepared
from xzoo.compare.cell import Finished, Output, Told, finish, is_better, look_first, watched
from xzoo.compare.layout import Extracted, is_frozen
from xzoo.data.pack import Pack
from xzoo.errors import CellError
from xzoo.evaluate.predictions import Predictions
from xzoo.model.heads import LinearHead
from xzoo.model.ownership import HEAD
from xzoo.runs.result import Cell, EpochRecord, Proof
from xzoo.train import solver
from xzoo.train.device import Device
from xzoo.train.heads import HeadEpoch, HeadTask, train_heads
from xzoo.train.loop import diverged
from xzoo.train.objective import objective, probabilities
from xzoo.train.proof import demand, moved, snapshot


@dataclass(frozen=True)
class Begun:
    """Work on a cell has begun."""


Item = tuple[Cell, Begun | EpochRecord | Output | Exception]

MOST_BYTES = 1 << 30
"""Standardised features and predictions held at a time; more heads are trained in several turns, with the same figures."""

_PLACE = ("precision", "size", "crop", "loss", "head", "engine")


@dataclass(frozen=True)
class Asked:
    """What a plan asks of all its cells."""

    positive: str | None = None
    watch_test: bool = False


def groups(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return the frozen cells whose heads can learn from the same features, in the order of their first cells."""
    found: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        if is_frozen(cell) and cell.recipe["augment"] == "none":
            found.setdefault(tuple(cell.recipe[name] for name in _PLACE), []).append(cell)
    return list(found.values())


def compute_together(
    prepared: Prepared, cells: Sequence[Cell], pack: Pack, device: Device, asked: Asked
) -> Iterator[Item] | None:
    """Return an iterator over each cell's epochs and its output or error, cell by cell, or None where heads are not linear."""
    extracted = Extracted.of(prepared, cells[0], pack, device)
    head = extracted.place.classifier.head
    if not isinstance(head, LinearHead) or head.bias is None or extracted.features_N.dim() != 2:
        return None
    return _all(extracted, cells, pack, asked)


@dataclass(eq=False)
class _Head:
    """A cell's head in training."""

    bench: Bench
    task: HeadTask
    names: tuple[str, str]
    curves: list[EpochRecord] = field(default_factory=list)
    best: int = 0
    kept_OD: Tensor | None = None
    last_OD: Tensor | None = None
    resting: tuple[bool, bool] = (False, False)
    is_done: bool = False
    error: Exception | None = None
    notes: tuple[str, ...] = ()


def _all(extracted: Extracted, cells: Sequence[Cell], pack: Pack, asked: Asked) -> Iterator[Item]:
    before = snapshot(extracted.place.classifier.network)
    for turn in _turns(extracted, cells, pack):
        kinds: dict[tuple[object, ...], list[_Head]] = {}
        tables: dict[bytes, Tensor] = {}
        for cell in turn:
            try:
                head = _prepared(extracted, cell, pack, tables, look=not kinds)
            except Exception as error:
                yield cell, error
            else:
                kinds.setdefault(head.task.kind, []).append(head)
        for heads in kinds.values():
            _train(heads, asked)
            yield from _outputs(heads, pack, asked, _strayed(extracted, before))


def _turns(extracted: Extracted, cells: Sequence[Cell], pack: Pack) -> Iterator[Sequence[Cell]]:
    """Yield the cells in parts that fit the memory set aside for them."""
    each = 4 * (extracted.features_N.numel() + len(pack)) + 8 * len(pack) * len(pack.classes)
    most = max(1, MOST_BYTES // each)
    for start in range(0, len(cells), most):
        yield cells[start : start + most]


def _strayed(extracted: Extracted, before: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the tensors outside the head that are not what they were."""
    classifier = extracted.place.classifier
    changed = moved(before, classifier.network.state_dict())
    return tuple(sorted(name for name in changed if classifier.tensor_owner[name] != HEAD))


def _prepared(extracted: Extracted, cell: Cell, pack: Pack, tables: dict[bytes, Tensor], *, look: bool) -> _Head:
    """Lay out a cell and return its head ready to be trained; `look` tries it on two images first, as it does for all like it."""
    began = time.perf_counter()
    bench = extracted.bench(cell)
    classifier, recipe, train_N = bench.classifier, bench.recipe, bench.split.train
    classifier.redraw_head(cell.seed)
    if look:
        look_first(bench, objective(recipe, pack.labels_N[train_N], len(pack.classes), bench.device.kind))
        bench.trial()
    key = train_N.tobytes()
    if key not in tables:
        inputs_ND = extracted.standardiser(train_N)(extracted.features_N)
        tables[key] = torch.cat([inputs_ND, inputs_ND.new_ones(len(inputs_ND), 1)], 1)
    path = classifier.backbone.head.path
    weight, bias = (classifier.network.get_parameter(f"{path}.{name}").detach() for name in ("weight", "bias"))
    start_OD = torch.cat([weight, bias[:, None]], 1)
    task = HeadTask(recipe, cell.seed, start_OD, tables[key], pack.labels_N, train_N, len(pack.classes))
    bench.prepare_seconds = time.perf_counter() - began
    return _Head(bench, task, (f"{path}.weight", f"{path}.bias"))


def _train(heads: Sequence[_Head], asked: Asked) -> None:
    if heads[0].bench.recipe.head == "solver":
        for head in heads:
            try:
                _solve(head, asked)
            except CellError as error:
                head.error = error
        return
    began = time.perf_counter()
    for epoch, found in enumerate(train_heads([head.task for head in heads])):
        share = (time.perf_counter() - began) / len(heads)
        for head, after in zip(heads, found, strict=True):
            if not head.is_done:
                _note(head, epoch, after, share, asked)
        began = time.perf_counter()


def _solve(head: _Head, asked: Asked) -> None:
    """Find a head by the solver: of its path the solution that is best on validation becomes its only epoch."""
    began = time.perf_counter()
    task, recipe = head.task, head.bench.recipe
    solver.check(recipe)
    train_ND = task.inputs_ND[torch.from_numpy(task.train_N).to(task.inputs_ND.device), :-1].cpu().numpy()
    labels_N = task.labels_N[task.train_N]
    best: tuple[tuple[float, float], Tensor, float] | None = None
    for one in solver.solve(train_ND, labels_N, recipe, task.num_classes):
        weights_OD = torch.from_numpy(np.c_[one.weights_OD, one.bias_O]).to(task.inputs_ND)
        seen = _looked(head, "val", weights_OD)
        if best is None or (seen.accuracy, -seen.loss) > best[0]:
            best = ((seen.accuracy, -seen.loss), weights_OD, one.strength)
    assert best is not None
    learnt = _looked(head, "train", best[1])
    head.notes = (f"solver: inverse penalty {best[2]:g}, the best on validation of {len(solver.PATH)}",)
    _note(head, 0, HeadEpoch(best[1], learnt.loss, learnt.accuracy, 0.0, (False, False)), time.perf_counter() - began, asked)


def _note(head: _Head, epoch: int, after: HeadEpoch, seconds: float, asked: Asked) -> None:
    """Add an epoch to a head's curves, keep its weights where they are the best, and end it where it should stop."""
    recipe = head.bench.recipe
    if not math.isfinite(after.loss):
        head.is_done, head.error = True, diverged(after.loss, epoch)
        return
    found = {split: _looked(head, split, after.weights_OD) for split in (("val", "test") if asked.watch_test else ("val",))}
    record = EpochRecord(
        epoch=epoch,
        learning_rate=after.learning_rate,
        train_loss=after.loss,
        train_accuracy=after.accuracy,
        seconds=seconds,
        stages_learning=(),
        **watched(found),
    )
    head.curves.append(record)
    head.last_OD, head.resting = after.weights_OD, after.resting
    is_best = epoch == 0 or is_better(record, head.curves[head.best])
    head.best = epoch if is_best else head.best
    if is_best or recipe.keep == "last":
        head.kept_OD = after.weights_OD
    head.is_done = bool(recipe.patience) and epoch - head.best >= recipe.patience


def _looked(head: _Head, split: str, weights_OD: Tensor) -> Predictions:
    began = time.perf_counter()
    places_N = getattr(head.bench.split, split)
    inputs_ND = head.task.inputs_ND[torch.from_numpy(places_N).to(head.task.inputs_ND.device)]
    rows_NK = probabilities(inputs_ND @ weights_OD.T).cpu().numpy()
    found = Predictions(rows_NK, head.task.labels_N[places_N], time.perf_counter() - began)
    head.bench.spent[split] += found.seconds  # type: ignore[assignment]
    return found


def _outputs(heads: Sequence[_Head], pack: Pack, asked: Asked, strayed: Sequence[str]) -> Iterator[Item]:
    """Yield each head's epochs and its output; one thread asks the network, the others measure what it answered."""
    num_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(num_threads) as pool:
        waiting: deque[tuple[_Head, Future[Output] | Exception]] = deque()
        for head in [*heads, *[None] * num_threads]:
            if head is not None:
                try:
                    waiting.append((head, pool.submit(_finished(head, strayed, len(heads)).output, pack, asked.positive)))
                except Exception as error:
                    waiting.append((head, error))
            if waiting and (head is None or len(waiting) > num_threads):
                done, found = waiting.popleft()
                yield from ((done.bench.cell, record) for record in done.curves)
                yield done.bench.cell, _result_of(found)


def _result_of(found: Future[Output] | Exception) -> Output | Exception:
    try:
        return found if isinstance(found, Exception) else found.result()
    except Exception as error:
        return error


def _finished(head: _Head, strayed: Sequence[str], num_heads: int) -> Finished:
    """Put a head's kept weights into the classifier, folded for plain features, and let it answer."""
    if head.error is not None or head.kept_OD is None or head.last_OD is None:
        raise head.error or AssertionError("a head without an epoch")
    classifier, start_OD = head.bench.classifier, head.task.start_OD
    unmoved = [torch.equal(head.last_OD[:, part], start_OD[:, part]) for part in (slice(None, -1), slice(-1, None))]
    still = tuple(name for name, same, rests in zip(head.names, unmoved, head.resting, strict=True) if same and rests)
    stuck = tuple(name for name, same, rests in zip(head.names, unmoved, head.resting, strict=True) if same and not rests)
    proof = demand(Proof(should_stay_moved=tuple(strayed), should_learn_did_not=stuck), "at the end of the cell")
    weights: Mapping[str, Tensor] = {head.names[0]: head.kept_OD[:, :-1], head.names[1]: head.kept_OD[:, -1]}
    classifier.restore(weights)
    head.bench.learner.finish()
    best = head.best if head.bench.recipe.keep == "best" else len(head.curves) - 1
    told = Told(tuple(head.curves), best, {HEAD}, proof, still, num_heads, head.notes)
    return finish(head.bench, told)
