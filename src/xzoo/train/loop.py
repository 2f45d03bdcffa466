"""The one trainer: a loop that whoever wants to watch iterates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from xzoo.errors import CellError
from xzoo.model.classifier import Classifier
from xzoo.model.heads import seeded
from xzoo.runs.result import EpochRecord
from xzoo.train.device import Device
from xzoo.train.learner import Learner, groups_of
from xzoo.train.objective import Objective, num_right, total_loss
from xzoo.train.proof import below_resolution, demand, prove, snapshot
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

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch: inputs and labels."""
        ...


Watch = Callable[[], Mapping[str, float]]


def train(
    learner: Learner, batches: Batched, compute: Objective, strategy: Strategy, recipe: Recipe, device: Device, watch: Watch
) -> Iterator[EpochRecord]:
    """Train, and yield a record after each epoch; `watch` measures whatever else belongs in it (val_loss, val_accuracy).

    Raises ProofError when, after the first step of a phase, a frozen tensor moved or one that should learn did not, and CellError
    when the loss is no longer a number.
    """
    work, classifier = _Work(learner, batches, compute, recipe, device), learner.classifier
    set_batch_norm_momentum(classifier, recipe, batches.num_steps)
    optimizer: torch.optim.Optimizer | None = None
    held: set[str] = set()
    learning: set[str] = set()
    for epoch in range(recipe.epochs):
        began = time.perf_counter()
        rates = strategy.rates(classifier.stages, epoch, recipe.epochs)
        classifier.learn(rates)
        optimizer = _hold(optimizer, classifier, rates, held, recipe)
        is_new_phase = classifier.learning_owners(rates) != learning
        learning = classifier.learning_owners(rates)
        loss, right, seen = _epoch(work, optimizer, epoch, rates, is_new_phase)
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
    learner: Learner
    batches: Batched
    compute: Objective
    recipe: Recipe
    device: Device


def _epoch(
    work: _Work, optimizer: torch.optim.Optimizer, epoch: int, rates: Mapping[str, float], is_new_phase: bool
) -> tuple[float, int, int]:
    """Return the summed loss, the number of right answers and the number of images of one epoch."""
    learner, batches, compute, recipe, device = work.learner, work.batches, work.compute, work.recipe, work.device
    network = learner.classifier.network
    loss_sum, right, seen = torch.zeros((), device=device.kind), torch.zeros((), device=device.kind, dtype=torch.long), 0
    # Dropout draws from a stream of its own per epoch, so that a resumed run draws what an uninterrupted one does.
    with seeded(batches.seed, "epoch", epoch):
        for step, (inputs, labels_B) in enumerate(batches.epoch(epoch)):
            before = snapshot(network) if is_new_phase and step == 0 else None
            _set_rates(optimizer, recipe.rate(epoch * batches.num_steps + step, batches.num_steps), rates)
            with device.arithmetic():
                logits_BO, auxiliary = learner.outputs(inputs)
                loss = total_loss(compute, logits_BO, auxiliary, labels_B)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            if recipe.clip:
                nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], recipe.clip)
            optimizer.step()
            if before is not None:
                _check(learner.classifier, before, optimizer, rates, f"after the first step of epoch {epoch + 1}")
            loss_sum += compute(logits_BO.detach(), labels_B) * len(labels_B)
            right += num_right(logits_BO.detach(), labels_B)
            seen += len(labels_B)
    return float(loss_sum), int(right), seen


def _check(
    classifier: Classifier, before: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, rates: Mapping[str, float], when: str
) -> None:
    """Demand the proof of a phase's first step, and remember the parameters whose steps float32 rounds away."""
    classifier.resting |= below_resolution(before, optimizer, classifier.network)
    learning = classifier.learning_owners(rates)
    demand(prove(before, classifier.network, classifier.tensor_owner, learning, classifier.resting), when)


def _hold(
    optimizer: torch.optim.Optimizer | None, classifier: Classifier, rates: Mapping[str, float], held: set[str], recipe: Recipe
) -> torch.optim.Optimizer:
    """Return an optimiser that holds, one group per owner, what learns now and what learnt before."""
    groups: list[dict[str, Any]] = [{"params": p, "owner": owner} for owner, p in groups_of(classifier, rates, held) if p]
    held.update(group["owner"] for group in groups)
    if optimizer is None:
        return _make_optimizer(groups, recipe)
    for group in groups:
        optimizer.add_param_group(group)
    return optimizer


def _make_optimizer(groups: list[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    # One pass over the weights instead of ten: measured 4 times as fast for AlexNet on a CPU.
    return kind(groups, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


def _set_rates(optimizer: torch.optim.Optimizer, learning_rate: float, rates: Mapping[str, float]) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * rates.get(group["owner"], 1.0 if group["owner"].startswith("(") else 0.0)
