"""A step of training, made eagerly, or recorded once per phase and replayed. What it sums up stays on the device.

B = images in a batch, O = outputs
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from xzoo.train.capture import NotRecordableError, Recorder
from xzoo.train.device import Device
from xzoo.train.learner import Learner
from xzoo.train.objective import Objective, num_right, total_loss
from xzoo.train.recipe import Recipe


class Stepping(Protocol):
    """What the loop makes its steps with. `note` says what was out of the ordinary about them."""

    note: str

    def begin(self, optimizer: Optimizer, *, is_new_phase: bool) -> None:
        """Begin an epoch: sums at 0, steps by this optimiser."""
        ...

    def __call__(self, inputs: Tensor, labels_B: Tensor) -> None:
        """Make one step on a batch."""
        ...

    def told(self) -> tuple[float, int]:
        """Return the epoch's summed loss and its number of right answers."""
        ...


def stepping(learner: Learner, compute: Objective, recipe: Recipe, device: Device, recorder: Recorder | None) -> Stepping:
    """Return steps on the device, replayed where there is a recorder."""
    step = Step(learner, compute, recipe, device)
    return Recorded(step, recorder) if recorder is not None else step


class Step:
    """Forward, loss, backward, clip, optimiser. Nothing of it waits for the device; only `told` does, once."""

    note = ""

    def __init__(self, learner: Learner, compute: Objective, recipe: Recipe, device: Device) -> None:
        self.learner, self.compute, self.recipe, self.device = learner, compute, recipe, device
        self.loss_sum = torch.zeros((), device=device.kind)
        self.right = torch.zeros((), device=device.kind, dtype=torch.long)

    def begin(self, optimizer: Optimizer, *, is_new_phase: bool) -> None:
        """Set the sums to 0 where they lie."""
        del is_new_phase
        self.optimizer = optimizer
        self.loss_sum.zero_()
        self.right.zero_()

    def __call__(self, inputs: Tensor, labels_B: Tensor) -> None:
        """Move what learns by one step."""
        optimizer, compute = self.optimizer, self.compute
        with self.device.arithmetic(keeps_casts=self.device.kind == "cpu"):
            logits_BO, auxiliary = self.learner.outputs(inputs)
            loss = total_loss(compute, logits_BO, auxiliary, labels_B)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip:
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], self.recipe.clip)
        optimizer.step()
        self.loss_sum += compute(logits_BO.detach(), labels_B) * len(labels_B)
        self.right += num_right(logits_BO.detach(), labels_B)

    def told(self) -> tuple[float, int]:
        """Return both sums in one transfer."""
        loss_sum, right = torch.stack([self.loss_sum.double(), self.right.double()]).tolist()
        return loss_sum, int(right)


class Recorded:
    """Steps replayed from a recording, one per phase.

    A phase's first step is made eagerly and watched; it also makes ready what no recording may, libraries and the optimiser's
    moments. The second is recorded, which computes nothing and so leaves nothing to be put back, and replayed like all that
    follow. Eager are batches of another shape than the first, as the last of an epoch can be, and all of a phase whose step
    cannot be recorded; then `note` says why.
    """

    _held: tuple[Tensor, Tensor] | None
    _replay: Callable[[], None] | None

    def __init__(self, step: Step, recorder: Recorder) -> None:
        self.step, self.recorder = step, recorder
        self._forget()

    def begin(self, optimizer: Optimizer, *, is_new_phase: bool) -> None:
        """Begin an epoch; a new phase has no use for what was recorded before it."""
        if is_new_phase:
            self._forget()
        self.step.begin(optimizer, is_new_phase=is_new_phase)

    def __call__(self, inputs: Tensor, labels_B: Tensor) -> None:
        """Replay the recording on this batch where it can be."""
        if self._held is None:
            self._held = torch.empty_like(inputs), torch.empty_like(labels_B)
            self._refuse(self.recorder.watched(partial(self.step, inputs, labels_B)))
        elif self._is_refused or inputs.shape != self._held[0].shape:
            self.step(inputs, labels_B)
        else:
            self._held[0].copy_(inputs)
            self._held[1].copy_(labels_B)
            self._replay = self._replay or self._recorded(*self._held)
            self._replay()

    def told(self) -> tuple[float, int]:
        """Return both sums in one transfer."""
        return self.step.told()

    def _recorded(self, inputs: Tensor, labels_B: Tensor) -> Callable[[], None]:
        """Return what replays the step on these tensors, or the step itself where it cannot be recorded."""
        run = partial(self.step, inputs, labels_B)
        self.step.optimizer.zero_grad(set_to_none=True)
        try:
            with _capturable(self.step.optimizer):
                return self.recorder.record(run)
        except NotRecordableError as error:
            self._refuse(str(error))
            return run

    def _refuse(self, reason: str) -> None:
        if reason:
            self._is_refused, self.note = True, f"steps are not recorded as a CUDA graph: {reason}"

    def _forget(self) -> None:
        self._held = self._replay = None
        self._is_refused, self.note = False, ""


@contextlib.contextmanager
def _capturable(optimizer: Optimizer) -> Iterator[None]:
    """Set the flag without which Adam refuses to be recorded, and with which it warns when it is not."""
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group in groups:
            group["capturable"] = False
