"""A step of training, made eagerly, and again with less at once where memory runs out. What it sums up stays on the device.

B = images in a batch
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from xzoo.runs.conditions import Shortage
from xzoo.train.accumulation import Gradients, Made, couples
from xzoo.train.device import Device, Draws
from xzoo.train.finite import Kept, Watch, gone_wrong, not_finite
from xzoo.train.learner import Learner
from xzoo.train.objective import Objective
from xzoo.train.recipe import Recipe
from xzoo.train.shortage import Ration, tried
from xzoo.train.update import update


class Step:
    """Forward, loss, backward, clip, optimiser. Nothing of it waits for a device that works ahead; only `told` does, once.

    Where memory runs out, all that the failed try changed is put back, what it held is freed, and the same batch is computed
    again: with what its backward pass needs on the host where a batch norm learns on CUDA, else in smaller parts.
    """

    note: str = ""

    def __init__(self, learner: Learner, compute: Objective, recipe: Recipe, device: Device) -> None:
        self.learner, self.device = learner, device
        self.gradients = Gradients(learner, compute, recipe, device)
        self.loss_sum = torch.zeros((), device=device.kind)
        self.right = torch.zeros((), device=device.kind, dtype=torch.long)
        self.watch = Watch(device)
        ranks = device.ranks
        self.ration = Ration(
            -(-recipe.batch_size // ranks.count), f"training on rank {ranks.rank}" if ranks.are_many else "training"
        )
        if ranks.are_many and device.runs_ahead:
            self.note = "steps are not recorded as a CUDA graph: several ranks work on them"
        self.kept: Kept | None = None
        self.epoch = self.step = 0

    @property
    def memory(self) -> Sequence[Shortage]:
        """Every shortage so far."""
        return tuple(self.ration.told)

    @property
    def sums(self) -> tuple[Tensor, Tensor]:
        """Both sums, of an epoch in which every step was made."""
        self.look()
        return self.loss_sum, self.right

    def look(self) -> None:
        """Raise NotFiniteError where a step was not made."""
        self._demand(float(self.watch.code))

    def begin(self, optimizer: Optimizer, *, is_new_phase: bool, epoch: int = 0, step: int = 0) -> None:
        """Set the sums to 0 where they lie."""
        network = self.learner.classifier.network
        self.optimizer, self.epoch, self.step = optimizer, epoch, step
        self.watch.begin(optimizer, step)
        if is_new_phase or self.kept is None:
            self.kept = Kept(network)
            self.ration.least = 2 if couples(network) else 1
        self.loss_sum.zero_()
        self.right.zero_()

    def __call__(self, inputs: Tensor, labels_B: Tensor) -> None:
        """Move what learns by one step, in parts where memory does not suffice for the batch."""
        assert self.kept is not None
        self._keep()
        draws = Draws.now(self.device)
        union = self.gradients.union
        if union is not None:
            union.begin()
        while True:
            parts = self.ration.cut(len(inputs))
            found = tried(partial(self._gradients, inputs, labels_B, parts))
            said = found.said if found.result is None else self._move(found.result)
            if not said:
                break
            self.optimizer.zero_grad(set_to_none=True)
            self.kept.put_back()
            draws.put_back()
            if union is not None:
                union.demand_free(said)
            self._shrink(len(inputs), said)
        self.step += 1

    def once(self, inputs: Tensor, labels_B: Tensor) -> None:
        """Move what learns by one step on the whole batch, as it can be recorded: without a look at memory or the host."""
        self._keep()
        said = self._move(self._gradients(inputs, labels_B, [slice(0, len(labels_B))]))
        assert not said

    def told(self) -> tuple[float, int]:
        """Return both sums in one transfer."""
        told = torch.stack([self.loss_sum.double(), self.right.double(), self.watch.code.double()]).tolist()
        self._demand(told[2])
        return told[0], int(told[1])

    def resume(self, memory: Sequence[Shortage]) -> None:
        """Compute as many images at once as after these shortages; of several ranks each has its own, and meets them anew."""
        if self.gradients.union is None:
            self.ration.told[:] = memory

    def _keep(self) -> None:
        assert self.kept is not None
        self.kept.keep(self.watch.mask if self.device.runs_ahead else None)

    def _gradients(self, inputs: Tensor, labels_B: Tensor, parts: Sequence[slice]) -> Made:
        to_host = bool(self.ration.told) and self.ration.told[-1].way == "host"
        return self.gradients(self.optimizer, inputs, labels_B, parts, to_host=to_host)

    def _move(self, made: Made) -> str:
        """Make the optimiser's step and add to the sums; return what was said where memory ran out before anything moved."""
        if wrong := self.watch.look(made.loss, made.norm):
            self._stop(wrong)
        said = tried(partial(self._clip, made.norm)).said or update(self.optimizer)
        if not said:
            self.loss_sum += made.loss_sum
            self.right += made.right
            self.watch.advance()
        return said

    def _clip(self, norm: Tensor) -> None:
        if self.gradients.recipe.clip:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            nn.utils.clip_grads_with_norm_(parameters, self.gradients.recipe.clip, norm)

    def _demand(self, code: float) -> None:
        """Raise NotFiniteError where a step was masked, with everything as it was before it."""
        if code >= 0 and self.kept is not None:
            self.kept.put_back()
        self.watch.demand(code, self.epoch)

    def _stop(self, wrong: str) -> None:
        """Leave everything as it was before the step, and say where it ended. Raises NotFiniteError."""
        assert self.kept is not None
        where = gone_wrong(self.learner.classifier.network)
        self.optimizer.zero_grad(set_to_none=True)
        self.kept.put_back()
        raise not_finite(f"{wrong}{f', nor are the gradients of {where}' if where else ''}", self.epoch, self.step)

    def _shrink(self, count: int, said: str) -> None:
        """Compute less at once from this step on. Raises MemoryShortageError where that is not possible."""
        is_coupled = couples(self.learner.classifier.network)
        where: dict[str, Any] = {"epoch": self.epoch + 1, "step": self.step + 1}
        if is_coupled and self.device.runs_ahead and not self.ration.told:
            # On the host: the same operations on the same batch. Where that does not suffice either, the next try is in parts.
            self.ration.told.append(
                Shortage(what="training", at_once=max(count, self.ration.full), of=count, way="host", **where)
            )
        else:
            self.ration.shrink(count, said, statistics=is_coupled, **where)
