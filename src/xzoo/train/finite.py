"""Losses, gradients and answers that are no numbers: found before they change a weight, and told with the images they came from.

B = images in a batch, O = outputs, N = images
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xzoo.errors import CellError
from xzoo.train.device import Device

MOST_NAMED = 3
_AT_REST = "check the weights and these images, or try precision=fp32"
_REMEDY = "lower lr, set clip=1, try precision=fp32, or check these images for extreme values"
OF_HEADS = "the head's loss or its gradients are not finite"
_LOSS, _GRADIENTS = "the training loss is no finite number", "the gradients are not finite"


class NotFiniteError(CellError):
    """A figure that is no number. `epoch` and `step` count from 0, `step` is None outside of training; `told` says what it is."""

    told: str = ""
    epoch: int = 0
    step: int | None = None

    def at(self, images: str) -> NotFiniteError:
        """Return the same error with the images of its batch."""
        return not_finite(self.told, self.epoch, self.step, images)


def not_finite(told: str, epoch: int, step: int | None, images: str = "") -> NotFiniteError:
    """Return the error of what was found in a step; nothing of that step was kept."""
    where = f"epoch {epoch + 1}" if step is None else f"epoch {epoch + 1}, step {step + 1}"
    error = NotFiniteError(f"{where}: {told}{f' ({images})' if images else ''}; training stopped before that update", _REMEDY)
    error.told, error.epoch, error.step = told, epoch, step
    return error


class Watch:
    """Looks at each step's loss and gradients before they change anything.

    On a host that computes for itself the first that is no number raises. A device that works ahead of the host is not waited
    for: a flag on it masks that update and all that follow (`found_inf` of torch's fused optimisers), and `told` raises when the
    host reads the epoch's sums.
    """

    def __init__(self, device: Device) -> None:
        self._is_ahead = device.runs_ahead
        self.mask = torch.zeros((), device=device.kind)
        self._step = torch.zeros((), device=device.kind)
        self._first = torch.full((), -1.0, device=device.kind)

    def begin(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Begin an epoch, or its rest from a step on, with this optimiser."""
        self.mask.zero_()
        self._step.fill_(step)
        self._first.fill_(-1.0)
        if self._is_ahead:
            optimizer.found_inf, optimizer.grad_scale = self.mask, None  # type: ignore[attr-defined]

    def look(self, loss: Tensor, norm: Tensor) -> str:
        """Return what is wrong with a loss and its gradients' norm; of a device that works ahead nothing is known yet."""
        if not self._is_ahead:
            if not math.isfinite(float(loss)):
                return _LOSS
            return "" if math.isfinite(float(norm)) else _GRADIENTS
        # Step s is told as 2s where its loss was no number, as 2s + 1 where its gradients were not finite.
        loss_ends, gradients_end = ~loss.isfinite(), ~norm.isfinite()
        code = 2 * self._step + (~loss_ends).float()
        self._first.copy_(torch.where((loss_ends | gradients_end) & (self._first < 0), code, self._first))
        self.mask.copy_(torch.maximum(self.mask, (loss_ends | gradients_end).float()))
        return ""

    def advance(self) -> None:
        """Count a step on a device that works ahead: a replayed recording counts for itself."""
        if self._is_ahead:
            self._step.add_(1)

    @property
    def code(self) -> Tensor:
        """What `demand` wants to know, where it lies."""
        return self._first

    def demand(self, code: float, epoch: int) -> None:
        """Raise NotFiniteError where a step of the epoch was masked."""
        if code >= 0:
            raise not_finite(_GRADIENTS if code % 2 else _LOSS, epoch, int(code // 2))


class Kept:
    """What a forward pass in train mode changes, running statistics above all, as it was before a step."""

    def __init__(self, network: nn.Module) -> None:
        self._places = [
            (module, name)
            for module in network.modules()
            if module.training
            for name, buffer in module.named_buffers(recurse=False)
        ]
        self._copies = [getattr(module, name).clone() for module, name in self._places]

    def keep(self, mask: Tensor | None = None) -> None:
        """Take copies, but none any more where `mask` says that updates have ended."""
        ended = None if mask is None else mask > 0
        for (module, name), copy in zip(self._places, self._copies, strict=True):
            live = getattr(module, name)
            if ended is None:
                copy.copy_(live)
            else:
                torch.where(ended, copy, live, out=copy)

    @torch.no_grad()
    def put_back(self) -> None:
        """Put the copies in place."""
        for (module, name), copy in zip(self._places, self._copies, strict=True):
            getattr(module, name).copy_(copy)


def norm_of(parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the norm of all gradients together."""
    return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


def gone_wrong(network: nn.Module) -> str:
    """Return the parameters whose gradients are not finite, a few by name; nothing where all are."""
    found = [name for name, p in network.named_parameters() if p.grad is not None and not bool(p.grad.isfinite().all())]
    return some(found)


def some(names: Sequence[str]) -> str:
    """Return the first few of names, and how many more there are."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def demand_numbers(are_finite_N: NDArray[np.bool_], what: str, names: Sequence[str]) -> None:
    """Raise NotFiniteError where not all rows of what is asked for are finite; `names` are those of the rows, or none."""
    if not are_finite_N.all():
        spoilt = [name for name, is_finite in zip(names, are_finite_N, strict=True) if not is_finite] if names else ()
        count = f"{len(are_finite_N) - are_finite_N.sum()} of {len(are_finite_N)} images"
        raise NotFiniteError(f"the {what} of {count} are no numbers{f': {some(spoilt)}' if spoilt else ''}", _AT_REST)


@torch.no_grad()
def suspects(logits_of: Callable[[Tensor], Tensor], inputs: Tensor) -> NDArray[np.bool_]:
    """Return which rows (B,) of a batch are no numbers, or get answers that are none; the network must be in eval mode."""
    is_finite_B = inputs.flatten(1).isfinite().all(1) & logits_of(inputs).flatten(1).isfinite().all(1)
    return ~is_finite_B.cpu().numpy()
