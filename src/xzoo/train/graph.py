"""A step of training, recorded once per phase and replayed.

B = images in a batch
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from xzoo.runs.conditions import Shortage
from xzoo.train.capture import NotRecordableError, Recorder
from xzoo.train.device import Device
from xzoo.train.eager import Step
from xzoo.train.learner import Learner
from xzoo.train.objective import Objective
from xzoo.train.recipe import Recipe


class Stepping(Protocol):
    """What the loop makes its steps with. `note` says what was out of the ordinary about them, `memory` where it ran out."""

    note: str

    @property
    def memory(self) -> Sequence[Shortage]:
        """Every shortage of memory so far: a training that is resumed needs them to go on as it would have."""
        ...

    @property
    def sums(self) -> tuple[Tensor, Tensor]:
        """The epoch's summed loss and right answers so far, looked at. Raises NotFiniteError."""
        ...

    def look(self) -> None:
        """Wait for the device, and raise NotFiniteError where a step of the epoch was not made."""
        ...

    def begin(self, optimizer: Optimizer, *, is_new_phase: bool, epoch: int = 0, step: int = 0) -> None:
        """Begin an epoch, or its rest from a step on: sums at 0, steps by this optimiser."""
        ...

    def __call__(self, inputs: Tensor, labels_B: Tensor) -> None:
        """Make one step on a batch. Raises NotFiniteError, MemoryShortageError."""
        ...

    def told(self) -> tuple[float, int]:
        """Return the epoch's summed loss and its number of right answers. Raises NotFiniteError."""
        ...

    def resume(self, memory: Sequence[Shortage]) -> None:
        """Go on as after these shortages."""
        ...


def stepping(learner: Learner, compute: Objective, recipe: Recipe, device: Device, recorder: Recorder | None) -> Stepping:
    """Return steps on the device, replayed where there is a recorder."""
    step = Step(learner, compute, recipe, device)
    return Recorded(step, recorder) if recorder is not None else step


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

    @property
    def memory(self) -> Sequence[Shortage]:
        """Every shortage so far; behind the first nothing is recorded or replayed, since a recording holds what it works on."""
        return self.step.memory

    @property
    def sums(self) -> tuple[Tensor, Tensor]:
        """Both sums, in the memory that the recording knows."""
        return self.step.sums

    def begin(self, optimizer: Optimizer, *, is_new_phase: bool, epoch: int = 0, step: int = 0) -> None:
        """Begin an epoch; a new phase has no use for what was recorded before it."""
        if is_new_phase:
            self._forget()
        self.step.begin(optimizer, is_new_phase=is_new_phase, epoch=epoch, step=step)

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
            self.step.step += 1
        if self.step.memory and not self._is_refused:
            self._replay = None
            self._refuse("memory ran out")

    def look(self) -> None:
        """Raise NotFiniteError where a step was not made."""
        self.step.look()

    def told(self) -> tuple[float, int]:
        """Return both sums in one transfer."""
        return self.step.told()

    def resume(self, memory: Sequence[Shortage]) -> None:
        """Go on as after these shortages."""
        self.step.resume(memory)

    def _recorded(self, inputs: Tensor, labels_B: Tensor) -> Callable[[], None]:
        """Return what replays the step on these tensors, or the step itself where it cannot be recorded."""
        run = partial(self.step.once, inputs, labels_B)
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
