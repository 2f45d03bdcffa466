"""The one trainer: a loop that whoever wants to watch iterates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from xzoo.errors import CellError
from xzoo.model.classifier import Classifier
from xzoo.model.heads import seeded
from xzoo.runs.result import EpochRecord
from xzoo.train.capture import recorder_of, repeatable
from xzoo.train.device import Device
from xzoo.train.graph import Stepping, stepping
from xzoo.train.learner import Learner, groups_of
from xzoo.train.objective import Objective
from xzoo.train.proof import below_resolution, demand, not_reached_yet, prove, snapshot
from xzoo.train.recipe import Recipe
from xzoo.zoo.strategies import Strategy


class Batched(Protocol):
    """What the loop trains on: inputs and labels in an order that follows from (seed, epoch)."""

    @property
    def seed(self) -> int:
        """The seed of the order and of what dropout draws."""
        ...

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch, inputs and labels, from batch number `start` on."""
        ...


Watch = Callable[[], Mapping[str, float]]


def train(
    learner: Learner, batches: Batched, compute: Objective, strategy: Strategy, recipe: Recipe, device: Device, watch: Watch
) -> Iterator[EpochRecord]:
    """Train, and yield a record after each epoch; `watch` measures whatever else belongs in it (val_loss, val_accuracy).

    Raises ProofError when, after the first step of a phase, a frozen tensor moved or one that should learn did not, and CellError
    when the loss is no longer a number.
    """
    classifier, recorder = learner.classifier, recorder_of(device)
    steps = stepping(learner, compute, recipe, device, recorder)
    work = _Work(classifier, batches, steps, recipe)
    set_batch_norm_momentum(classifier, recipe, batches.num_steps)
    optimizer: torch.optim.Optimizer | None = None
    held: set[str] = set()
    learning: set[str] = set()
    for epoch in range(recipe.epochs):
        began = time.perf_counter()
        rates = strategy.rates(classifier.stages, epoch, recipe.epochs)
        classifier.learn(rates)
        optimizer = _hold(optimizer, classifier, rates, held, recipe, rates_on=device.kind if recorder else "")
        is_new_phase = classifier.learning_owners(rates) != learning
        learning = classifier.learning_owners(rates)
        steps.begin(optimizer, is_new_phase=is_new_phase)
        seen = _epoch(work, optimizer, epoch, rates, is_new_phase)
        loss, right = steps.told()
        if not math.isfinite(loss):
            raise diverged(loss, epoch)
        device.synchronise()
        seconds = time.perf_counter() - began
        yield EpochRecord(
            epoch=epoch,
            learning_rate=recipe.rate(epoch * batches.num_steps, batches.num_steps),
            train_loss=loss / seen,
            train_accuracy=right / seen,
            seconds=seconds,
            stages_learning=tuple(stage for stage in classifier.stages if stage in learning),
            note=steps.note,
            **watch(),
        )


def diverged(loss: float, epoch: int) -> CellError:
    """Return the error of a training loss that is no number."""
    return CellError(
        f"the training loss became {loss} in epoch {epoch + 1}",
        "lower lr, set clip=1, or check the images for extreme values",
    )


def set_batch_norm_momentum(classifier: Classifier, recipe: Recipe, steps_per_epoch: int) -> None:
    """Set how fast running statistics follow: with few steps the usual 0.1 lags behind, so 16 / steps, from 0.1 to 0.4.

    The bounds are measured: 40 steps need about 0.4, and from 160 steps on 0.1 is enough (docs/benchmarks.md).
    """
    steps = max(1, recipe.epochs * steps_per_epoch)
    momentum = recipe.batch_norm_momentum or min(0.4, max(0.1, 16 / steps))
    for module in classifier.batch_norms():
        module.momentum = momentum  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class _Work:
    classifier: Classifier
    batches: Batched
    steps: Stepping
    recipe: Recipe


def _epoch(work: _Work, optimizer: torch.optim.Optimizer, epoch: int, rates: Mapping[str, float], is_new_phase: bool) -> int:
    """Make the steps of one epoch, and return on how many images."""
    batches, seen = work.batches, 0
    # Dropout draws from a stream of its own per epoch, so that a resumed run draws what an uninterrupted one does.
    with seeded(batches.seed, "epoch", epoch), repeatable():
        for step, (inputs, labels_B) in enumerate(batches.epoch(epoch)):
            before = snapshot(work.classifier.network) if is_new_phase and step == 0 else None
            _set_rates(optimizer, work.recipe.rate(epoch * batches.num_steps + step, batches.num_steps), rates)
            work.steps(inputs, labels_B)
            if before is not None:
                _check(work.classifier, before, optimizer, rates, f"after the first step of epoch {epoch + 1}")
            seen += len(labels_B)
    return seen


def _check(
    classifier: Classifier, before: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, rates: Mapping[str, float], when: str
) -> None:
    """Demand the proof of a phase's first step, and remember the parameters whose steps float32 rounds away."""
    classifier.resting |= below_resolution(before, optimizer, classifier.network)
    # What starts behind a 0 has to have moved by the end of the cell, not by now.
    excused = classifier.resting | not_reached_yet(optimizer, classifier.network)
    demand(prove(before, classifier.network, classifier.tensor_owner, classifier.learning_owners(rates), excused), when)


def _hold(
    optimizer: torch.optim.Optimizer | None,
    classifier: Classifier,
    rates: Mapping[str, float],
    held: set[str],
    recipe: Recipe,
    *,
    rates_on: str,
) -> torch.optim.Optimizer:
    """Return an optimiser that holds, one group per owner, what learns now and what learnt before.

    A group's learning rate is a number, or a tensor on the device `rates_on`, which recorded steps read anew.
    """
    groups: list[dict[str, Any]] = [{"params": p, "owner": owner} for owner, p in groups_of(classifier, rates, held) if p]
    for group in groups if rates_on else ():
        group["lr"] = torch.full((), recipe.lr, device=rates_on)
    held.update(group["owner"] for group in groups)
    if optimizer is None:
        return _make_optimizer(groups, recipe, fuse_all=bool(rates_on))
    for group in groups:
        optimizer.add_param_group(group)
    return optimizer


def _make_optimizer(groups: list[dict[str, Any]], recipe: Recipe, *, fuse_all: bool) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        fused = True if fuse_all else None
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=fused)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    # One pass over the weights instead of ten: measured 4 times as fast for AlexNet on a CPU.
    return kind(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


def _set_rates(optimizer: torch.optim.Optimizer, learning_rate: float, rates: Mapping[str, float]) -> None:
    for group in optimizer.param_groups:
        rate = learning_rate * rates.get(group["owner"], 1.0 if group["owner"].startswith("(") else 0.0)
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
