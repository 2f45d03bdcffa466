"""Frozen cells of one backbone computed together: its body runs once, and their heads are trained as one batched problem.

N = images, D = features and a constant 1, O = outputs
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from xzoo.compare.cell import look_first
from xzoo.compare.finishing import Finished, Output, Told, finish
from xzoo.compare.layout import Extracted, is_frozen
from xzoo.compare.learning import Asked, Head, train_all
from xzoo.compare.progress import Progress
from xzoo.compare.resuming import Resumed
from xzoo.compare.resuming_heads import HeadCheckpoints
from xzoo.data.pack import Pack
from xzoo.errors import StorageError
from xzoo.model.heads import LinearHead
from xzoo.model.ownership import HEAD
from xzoo.runs.result import Cell, EpochRecord, Proof
from xzoo.train.device import Device
from xzoo.train.heads import HeadTask
from xzoo.train.objective import objective
from xzoo.train.prepared import Prepared
from xzoo.train.proof import demand, moved, snapshot
from xzoo.train.tables import Table, table_of


@dataclass(frozen=True)
class Begun:
    """Work on a cell has begun."""


Item = tuple[Cell, Begun | Resumed | EpochRecord | Output | Exception]

MOST_BYTES = 1 << 30
"""Standardised features and predictions held at a time; more heads are trained in several turns, with the same figures."""

_PLACE = ("precision", "size", "crop", "loss", "head", "engine")


def groups(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return the frozen cells whose heads can learn from the same features, in the order of their first cells."""
    found: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        if is_frozen(cell) and cell.recipe["augment"] == "none":
            found.setdefault(tuple(cell.recipe[name] for name in _PLACE), []).append(cell)
    return list(found.values())


def compute_together(
    prepared: Prepared,
    cells: Sequence[Cell],
    pack: Pack,
    device: Device,
    asked: Asked,
    checkpoints: Callable[[str], Path] | None = None,
) -> Iterator[Item] | None:
    """Return an iterator over each cell's epochs and its output or error, cell by cell, or None where heads are not linear.

    `checkpoints` gives, by a name for the heads that are trained together, the folder of their checkpoints.
    """
    extracted = Extracted.of(prepared, cells[0], pack, device)
    head = extracted.place.classifier.head
    if not isinstance(head, LinearHead) or head.bias is None or extracted.features_N.dim() != 2:
        return None
    return _each_told(_all(extracted, cells, pack, asked, checkpoints), cells)


def _each_told(found: Iterator[Item], cells: Sequence[Cell]) -> Iterator[Item]:
    """Yield what is found; what ends the work on all of them is told by every cell that has not ended by then."""
    left = {cell.id: cell for cell in cells}
    try:
        for cell, item in found:
            if isinstance(item, Output | Exception):
                left.pop(cell.id, None)
            yield cell, item
    except StorageError:
        raise
    except Exception as error:
        yield from ((cell, error) for cell in left.values())


def _all(
    extracted: Extracted, cells: Sequence[Cell], pack: Pack, asked: Asked, checkpoints: Callable[[str], Path] | None
) -> Iterator[Item]:
    before = snapshot(extracted.place.classifier.network)
    for turn in _turns(extracted, cells, pack):
        kinds: dict[tuple[object, ...], list[Head]] = {}
        tables: dict[bytes, Tensor | Table] = {}
        for cell in turn:
            try:
                head = _prepared(extracted, cell, pack, tables, look=not kinds)
            except Exception as error:
                yield cell, error
            else:
                kinds.setdefault(head.task.kind, []).append(head)
        for heads in kinds.values():
            keeping = HeadCheckpoints(extracted.place.prepared, heads, checkpoints)
            if keeping.event is not None:
                yield heads[0].bench.cell, keeping.event
            train_all(heads, asked, keeping)
            yield from _outputs(heads, pack, asked, _strayed(extracted, before))
            keeping.remove()


def _turns(extracted: Extracted, cells: Sequence[Cell], pack: Pack) -> Iterator[Sequence[Cell]]:
    """Yield the cells in parts that fit the memory set aside for them."""
    features = extracted.features_N.numel() if isinstance(extracted.features_N, Tensor) else 0
    each = 4 * (features + len(pack)) + 8 * len(pack) * len(pack.classes)
    most = max(1, MOST_BYTES // each)
    for start in range(0, len(cells), most):
        yield cells[start : start + most]


def _strayed(extracted: Extracted, before: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Return the tensors outside the head that are not what they were."""
    classifier = extracted.place.classifier
    changed = moved(before, classifier.network.state_dict())
    return tuple(sorted(name for name in changed if classifier.tensor_owner[name] != HEAD))


def _prepared(extracted: Extracted, cell: Cell, pack: Pack, tables: dict[bytes, Tensor | Table], *, look: bool) -> Head:
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
        tables[key] = table_of(extracted.features_N, extracted.standardiser(train_N))
    path = classifier.backbone.head.path
    weight, bias = (classifier.network.get_parameter(f"{path}.{name}").detach() for name in ("weight", "bias"))
    start_OD = torch.cat([weight, bias[:, None]], 1)
    task = HeadTask(recipe, cell.seed, start_OD, tables[key], pack.labels_N, train_N, len(pack.classes), bench.blocks)
    bench.prepare_seconds = time.perf_counter() - began
    return Head(bench, task, (f"{path}.weight", f"{path}.bias"), Progress(recipe))


def _outputs(heads: Sequence[Head], pack: Pack, asked: Asked, strayed: Sequence[str]) -> Iterator[Item]:
    """Yield each head's epochs and its output; one thread asks the network, the others measure what it answered."""
    num_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(num_threads) as pool:
        waiting: deque[tuple[Head, Future[Output] | Exception]] = deque()
        for head in [*heads, *[None] * num_threads]:
            if head is not None:
                try:
                    waiting.append((head, pool.submit(_finished(head, strayed, len(heads)).output, pack, asked.positive)))
                except Exception as error:
                    waiting.append((head, error))
            if waiting and (head is None or len(waiting) > num_threads):
                done, found = waiting.popleft()
                yield from ((done.bench.cell, record) for record in done.progress.curves)
                yield done.bench.cell, _result_of(found)


def _result_of(found: Future[Output] | Exception) -> Output | Exception:
    try:
        return found if isinstance(found, Exception) else found.result()
    except Exception as error:
        return error


def _finished(head: Head, strayed: Sequence[str], num_heads: int) -> Finished:
    """Put a head's kept weights into the classifier, folded for plain features, and let it answer."""
    kept_OD, curves = head.progress.kept, head.progress.curves
    if head.error is not None or kept_OD is None or head.last_OD is None:
        raise head.error or AssertionError("a head without an epoch")
    classifier, start_OD = head.bench.classifier, head.task.start_OD
    unmoved = [torch.equal(head.last_OD[:, part], start_OD[:, part]) for part in (slice(None, -1), slice(-1, None))]
    still = tuple(name for name, same, rests in zip(head.names, unmoved, head.resting, strict=True) if same and rests)
    stuck = tuple(name for name, same, rests in zip(head.names, unmoved, head.resting, strict=True) if same and not rests)
    proof = demand(Proof(should_stay_moved=tuple(strayed), should_learn_did_not=stuck), "at the end of the cell")
    weights: Mapping[str, Tensor] = {head.names[0]: kept_OD[:, :-1], head.names[1]: kept_OD[:, -1]}
    classifier.restore(weights)
    head.bench.learner.finish()
    told = Told(tuple(curves), head.progress.chosen, {HEAD}, proof, still, num_heads, head.notes, head.resumed)
    return finish(head.bench, told)
