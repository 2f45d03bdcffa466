"""The heads of frozen cells in training: each epoch noted as the trainer notes its own.

N = images, D = features and a constant 1, O = outputs
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.compare.bench import Bench
from xzoo.compare.blame import naming
from xzoo.compare.cell import watched
from xzoo.compare.progress import Progress
from xzoo.errors import CellError
from xzoo.evaluate.predictions import Predictions
from xzoo.runs.result import EpochRecord
from xzoo.train import solver
from xzoo.train.finite import OF_HEADS, NotFiniteError, demand_numbers, not_finite
from xzoo.train.heads import BegunHead, HeadEpoch, HeadTask, train_heads
from xzoo.train.holding import held
from xzoo.train.objective import probabilities
from xzoo.train.tables import Table


@dataclass(frozen=True)
class Asked:
    """What a plan asks of all its cells."""

    positive: str | None = None
    watch_test: bool = False


@dataclass(eq=False)
class Head:
    """A cell's head in training; `names` are those of its weight and its bias."""

    bench: Bench
    task: HeadTask
    names: tuple[str, str]
    progress: Progress[Tensor]
    last_OD: Tensor | None = None
    resting: tuple[bool, bool] = (False, False)
    is_done: bool = False
    error: Exception | None = None
    notes: tuple[str, ...] = ()
    resumed: int = 0


class Keeping(Protocol):
    """Where heads in training are saved between two epochs."""

    @property
    def is_due(self) -> bool:
        """Whether an interval has gone by."""
        ...

    def parts(self) -> Iterable[tuple[Sequence[Head], Sequence[BegunHead], int]]:
        """Return heads that can be trained together, what each goes on from if any does, and behind how many epochs."""
        ...

    def save(self, heads: Sequence[Head], begun: Sequence[BegunHead], num_epochs: int) -> None:
        """Keep heads as they are behind so many epochs. Raises StorageError."""
        ...


def train_all(heads: Sequence[Head], asked: Asked, keeping: Keeping) -> None:
    """Train heads of one kind, all at once, or solve each where their recipe says so. An interrupt waits for an epoch's end."""
    if heads[0].bench.recipe.head == "solver":
        for head in heads:
            try:
                _solve(head, asked)
            except CellError as error:
                head.error = error
        return
    for part, begun, num_behind in keeping.parts():
        epochs = train_heads([head.task for head in part], begun, num_behind)
        for epoch in range(num_behind, part[0].bench.recipe.epochs):
            with held() as interrupt:
                began = time.perf_counter()
                found = next(epochs)
                share = (time.perf_counter() - began) / len(part)
                for head, after in zip(part, found, strict=True):
                    if not head.is_done:
                        _note(head, epoch, after, share, asked)
                if keeping.is_due or interrupt.has_come:
                    keeping.save(part, [after.begun for after in found if after.begun], epoch + 1)


def _solve(head: Head, asked: Asked) -> None:
    """Find a head by the solver: of its path the solution that is best on validation becomes its only epoch."""
    began = time.perf_counter()
    task, recipe = head.task, head.bench.recipe
    solver.check(recipe)
    train_ND = task.inputs_ND[torch.from_numpy(task.train_N).to(task.inputs_ND.device)][:, :-1].contiguous().cpu().numpy()
    labels_N = task.labels_N[task.train_N]
    best: tuple[tuple[float, float], Tensor, float] | None = None
    for one in solver.solve(train_ND, labels_N, recipe, task.num_classes):
        weights_OD = torch.from_numpy(np.c_[one.weights_OD, one.bias_O]).to(task.inputs_ND.device, torch.float32)
        seen = _looked(head, "val", weights_OD)
        if best is None or (seen.accuracy, -seen.loss) > best[0]:
            best = ((seen.accuracy, -seen.loss), weights_OD, one.strength)
    assert best is not None
    learnt = _looked(head, "train", best[1])
    head.notes = (f"solver: inverse penalty {best[2]:g}, the best on validation of {len(solver.PATH)}",)
    _note(head, 0, HeadEpoch(best[1], learnt.loss, learnt.accuracy, 0.0, (False, False)), time.perf_counter() - began, asked)


def _note(head: Head, epoch: int, after: HeadEpoch, seconds: float, asked: Asked) -> None:
    """Add an epoch to a head's curves, keep its weights where they are the best, and end it where it should stop."""
    try:
        with naming(head.bench):
            if after.ended is not None:
                raise not_finite(OF_HEADS, epoch, after.ended)
            found = {
                split: _looked(head, split, after.weights_OD) for split in (("val", "test") if asked.watch_test else ("val",))
            }
    except NotFiniteError as error:
        head.is_done, head.error = True, error
        return
    record = EpochRecord(
        epoch=epoch,
        learning_rate=after.learning_rate,
        train_loss=after.loss,
        train_accuracy=after.accuracy,
        seconds=seconds,
        stages_learning=(),
        note="",
        memory=(),
        **watched(found),
    )
    head.bench.val_losses.append(found["val"].image_losses.astype(np.float32))
    head.progress.add(record, lambda: after.weights_OD)
    head.last_OD, head.resting = after.weights_OD, after.resting
    head.is_done = head.progress.is_over


def _answered(inputs_ND: Tensor | Table, places_B: Tensor, weights_OD: Tensor) -> NDArray[np.float64]:
    if isinstance(inputs_ND, Table):
        return np.concatenate([probabilities(part @ weights_OD.T).cpu().numpy() for part in inputs_ND.parts(places_B)])
    answers_NK: NDArray[np.float64] = probabilities(inputs_ND[places_B.to(inputs_ND.device)] @ weights_OD.T).cpu().numpy()
    return answers_NK


def _looked(head: Head, split: str, weights_OD: Tensor) -> Predictions:
    began = time.perf_counter()
    places_N = getattr(head.bench.split, split)
    rows_NK = _answered(head.task.inputs_ND, torch.from_numpy(places_N), weights_OD)
    found = Predictions(rows_NK, head.task.labels_N[places_N], time.perf_counter() - began)
    names = [head.bench.ids_N[place] for place in places_N] if head.bench.ids_N else ()
    demand_numbers(found.are_finite, f"{split} answers", names)
    head.bench.spent[split] += found.seconds  # type: ignore[assignment]
    return found
