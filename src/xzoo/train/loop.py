"""The one trainer: a loop that whoever wants to watch iterates."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from xzoo.model.classifier import Classifier
from xzoo.model.heads import seeded
from xzoo.runs.result import EpochRecord
from xzoo.train.capture import recorder_of, repeatable
from xzoo.train.checkpoint_state import Groups, Saving, Standing
from xzoo.train.device import Device
from xzoo.train.graph import stepping
from xzoo.train.holding import held
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
        """Yield the batches of an epoch, inputs and labels, from batch number `start` on.

        Where several ranks train, the inputs are those of this one's share, and the labels those of the whole batch.
        """
        ...


Watch = Callable[[], Mapping[str, float]]


def train(
    learner: Learner,
    batches: Batched,
    compute: Objective,
    strategy: Strategy,
    recipe: Recipe,
    device: Device,
    watch: Watch,
    saving: Saving | None = None,
) -> Generator[EpochRecord]:
    """Train, and yield a record after each epoch; `watch` measures whatever else belongs in it (val_loss, val_accuracy).

    With `saving` it goes on from what was found there, and saves at intervals, when it is interrupted, and when whoever iterates
    leaves. Raises ProofError when, after the first step of a phase, a frozen tensor moved or one that should learn did not,
    CellError when the loss is no longer a number, and StorageError.
    """
    recorder, saving = recorder_of(device), saving or Saving()
    standing = Standing(learner.classifier, stepping(learner, compute, recipe, device, recorder), device.kind)
    work = _Work(standing, saving, batches, strategy, recipe, device, rates_on=device.kind if recorder else "")
    set_batch_norm_momentum(learner.classifier, recipe, batches.num_steps)
    saving.go_on(standing, work.hold)
    try:
        while standing.epoch < recipe.epochs and not saving.has_ended:
            record = _epoch(work, watch)
            standing.next_epoch()
            yield record
        if saving.is_worth_it:
            saving.save(standing)
    except (KeyboardInterrupt, GeneratorExit):
        if standing.step in {0, batches.num_steps}:  # inside an epoch it was saved where its streams are
            saving.save(standing)
        raise


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
    standing: Standing
    saving: Saving
    batches: Batched
    strategy: Strategy
    recipe: Recipe
    device: Device
    rates_on: str

    def hold(self, groups: Groups) -> torch.optim.Optimizer:
        """Return the optimiser with these groups behind those that it held."""
        self.standing.optimizer = _hold(self.standing.optimizer, groups, self.recipe, rates_on=self.rates_on)
        return self.standing.optimizer


def _epoch(work: _Work, watch: Watch) -> EpochRecord:
    """Train an epoch, or the rest of one, and return its record."""
    standing, recipe, num_steps = work.standing, work.recipe, work.batches.num_steps
    classifier, epoch, steps = standing.classifier, standing.epoch, standing.steps
    standing.time()
    rates = work.strategy.rates(classifier.stages, epoch, recipe.epochs)
    classifier.learn(rates)
    is_new_phase = classifier.learning_owners(rates) != standing.learning
    optimizer = work.hold(groups_of(classifier, rates, standing.held))
    steps.begin(optimizer, is_new_phase=is_new_phase, epoch=epoch, step=standing.step)
    _steps(work, optimizer, rates, is_new_phase)
    loss, right = steps.told()
    work.device.synchronise()
    work.device.ranks.demand_same(classifier.network.state_dict().values())
    standing.count_time()
    return EpochRecord(
        epoch=epoch,
        learning_rate=recipe.rate(epoch * num_steps, num_steps),
        train_loss=loss / standing.seen,
        train_accuracy=right / standing.seen,
        seconds=standing.seconds,
        stages_learning=tuple(stage for stage in classifier.stages if stage in standing.learning),
        note=steps.note,
        memory=tuple(one for each in work.device.ranks.gathered(steps.memory) for one in each if one.epoch == epoch + 1),
        **watch(),
    )


def _steps(work: _Work, optimizer: torch.optim.Optimizer, rates: Mapping[str, float], is_new_phase: bool) -> None:
    """Make the steps of an epoch that are still to be made; an interrupt waits for the end of one, and it is saved."""
    standing, saving = work.standing, work.saving
    # Dropout draws from a stream of its own per epoch; a resumed one goes on where it stood.
    with seeded(work.batches.seed, "epoch", standing.epoch), repeatable():
        standing.take_up()
        try:
            for inputs, labels_B in work.batches.epoch(standing.epoch, standing.step):
                with held(insists=not work.device.ranks.are_many) as interrupt:
                    saving.is_in_step = True
                    _step(work, optimizer, rates, inputs, labels_B, is_first=is_new_phase and standing.step == 0)
                    saving.is_in_step = False
                    if saving.is_due or interrupt.has_come:
                        saving.save(standing)
        except KeyboardInterrupt:
            saving.save(standing)
            raise


def _step(
    work: _Work, optimizer: torch.optim.Optimizer, rates: Mapping[str, float], inputs: Tensor, labels_B: Tensor, *, is_first: bool
) -> None:
    """Make one step, hold it against the promise where it is a phase's first, and count it."""
    standing, num_steps = work.standing, work.batches.num_steps
    classifier, epoch = standing.classifier, standing.epoch
    before = snapshot(classifier.network) if is_first else None
    _set_rates(optimizer, work.recipe.rate(epoch * num_steps + standing.step, num_steps), rates)
    with work.device.ranks.drawing(work.batches.seed, "epoch", epoch, "step", standing.step):
        standing.steps(inputs, labels_B)
    if before is not None:
        standing.steps.look()
        _check(classifier, before, optimizer, rates, f"after the first step of epoch {epoch + 1}")
    standing.learning = classifier.learning_owners(rates)
    standing.count(len(labels_B))


def _check(
    classifier: Classifier, before: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, rates: Mapping[str, float], when: str
) -> None:
    """Demand the proof of a phase's first step, and remember the parameters whose steps float32 rounds away."""
    classifier.resting |= below_resolution(before, optimizer, classifier.network)
    # What starts behind a 0 has to have moved by the end of the cell, not by now.
    excused = classifier.resting | not_reached_yet(optimizer, classifier.network)
    demand(prove(before, classifier.network, classifier.tensor_owner, classifier.learning_owners(rates), excused), when)


def _hold(optimizer: torch.optim.Optimizer | None, held: Groups, recipe: Recipe, *, rates_on: str) -> torch.optim.Optimizer:
    """Return an optimiser that holds, one group per owner, what learns now and what learnt before.

    A group's learning rate is a number, or a tensor on the device `rates_on`, which recorded steps read anew.
    """
    groups: list[dict[str, Any]] = [{"params": p, "owner": owner} for owner, p in held if p]
    for group in groups if rates_on else ():
        group["lr"] = torch.full((), recipe.lr, device=rates_on)
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
