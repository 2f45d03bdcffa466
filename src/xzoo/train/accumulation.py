"""The gradients of a batch, computed whole, or as the sum of its parts once memory has run out.

B = images in a batch, O = outputs
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from xzoo.train.backward import CheaperBackward
from xzoo.train.device import Device
from xzoo.train.finite import norm_of
from xzoo.train.learner import Learner
from xzoo.train.objective import Objective, num_right, total_loss
from xzoo.train.recipe import Recipe
from xzoo.train.union import Union


@dataclass(frozen=True, eq=False)
class Made:
    """A batch's loss, the norm of its gradients, its loss without auxiliary heads summed, and right answers."""

    loss: Tensor
    norm: Tensor
    loss_sum: Tensor
    right: Tensor


@dataclass(frozen=True, eq=False)
class Gradients:
    """What gradients are made with. `parts` are those of the batch; where there is one, it is the batch as it came."""

    learner: Learner
    compute: Objective
    recipe: Recipe
    device: Device

    @functools.cached_property
    def cheaper(self) -> CheaperBackward:
        """The network's layers, as they are while a step looks at a batch."""
        return CheaperBackward(self.learner.classifier.network, self.device)

    @functools.cached_property
    def union(self) -> Union | None:
        """The other ranks, where there are any."""
        return Union(self.device.ranks, self.compute) if self.device.ranks.are_many else None

    def __call__(self, optimizer: Optimizer, inputs: Tensor, labels_B: Tensor, parts: Sequence[slice], *, to_host: bool) -> Made:
        """Leave the batch's gradients in the parameters; the loss of a part counts as much as its images do.

        Of several ranks each has the inputs of its share, of which `parts` are parts, and the labels of the whole batch.
        """
        made: list[tuple[Tensor, Tensor, Tensor]] = []
        if self.union is not None:
            made.append(self._united(self.union, optimizer, inputs, labels_B, parts))
        elif len(parts) == 1:
            with _on_host(to_host):
                made.append(self._part(optimizer, inputs, labels_B, None))
        else:
            made += self._parts(optimizer, inputs, labels_B, parts, labels_B)
        norm = norm_of([p for group in optimizer.param_groups for p in group["params"]])
        loss, loss_sum, right = _summed(made)
        return Made(loss, norm, loss_sum, right)

    def _united(
        self, union: Union, optimizer: Optimizer, inputs: Tensor, labels_B: Tensor, parts: Sequence[slice]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Make the gradients of this rank's share, and sum them, and what is told of them, over all ranks."""
        union.learn([p for group in optimizer.param_groups for p in group["params"] if p.requires_grad])
        own_P = labels_B[union.ranks.share.seen(len(labels_B))]
        if couples(self.learner.classifier.network):
            parts = [slice(0, len(own_P))]  # ranks with different numbers of parts would wait for each other's statistics
        with union.sharing(len(labels_B)):
            found = _summed(self._parts(optimizer, inputs, own_P, parts, labels_B))
        return union.summed(*found)

    def _parts(
        self, optimizer: Optimizer, inputs: Tensor, own_P: Tensor, parts: Sequence[slice], labels_B: Tensor
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        made: list[tuple[Tensor, Tensor, Tensor]] = []
        for part in parts:
            union = self.union
            share = self.compute.share(own_P[part], labels_B) if union is None else union.share(own_P[part], labels_B)
            sending = union.sending() if union is not None and part is parts[-1] else contextlib.nullcontext()
            statistics = _statistics(self.learner.classifier.network, parts, part, len(own_P))
            with statistics if len(parts) > 1 else contextlib.nullcontext(), sending:
                made.append(self._part(optimizer if not made else None, inputs[part], own_P[part], share))
        return made

    def _part(
        self, cleared: Optimizer | None, inputs: Tensor, labels_B: Tensor, share: Tensor | float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        seeing = self.union.norms if self.union is not None else contextlib.nullcontext()
        with self.device.arithmetic(keeps_casts=self.device.kind == "cpu"), self.cheaper(), seeing:
            logits_BO, auxiliary = self.learner.outputs(inputs)
            loss = total_loss(self.compute, logits_BO, auxiliary, labels_B)
        loss = loss if share is None else loss * share
        if cleared is not None:
            cleared.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        seen_BO = logits_BO.detach()
        counted = len(labels_B) if self.union is None or share is None else share * self.union.num_images
        return loss.detach(), self.compute(seen_BO, labels_B) * counted, num_right(seen_BO, labels_B)


def _summed(made: Sequence[tuple[Tensor, Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    if len(made) == 1:
        return made[0]
    loss, loss_sum, right = (torch.stack(column).sum(0) for column in zip(*made, strict=True))
    return loss, loss_sum, right


def couples(network: nn.Module) -> bool:
    """Whether a batch norm learns: what an image gives then depends on the other images of its batch."""
    return any(norm.training for norm in _norms(network))


def _norms(network: nn.Module) -> Iterator[_NormBase]:
    return (m for m in network.modules() if isinstance(m, _NormBase) and not isinstance(m, nn.modules.instancenorm._InstanceNorm))


@contextlib.contextmanager
def _statistics(network: nn.Module, parts: Sequence[slice], part: slice, count: int) -> Iterator[None]:
    """Let running statistics move by one step towards the mean of the parts' own, each as heavy as its images.

    With momentum m, and w the weight m n / N of a part of n images of N, a part's own momentum is w over 1 less the weights of
    all parts behind it.
    """
    norms = [norm for norm in _norms(network) if norm.training and norm.track_running_stats]
    before = [norm.momentum for norm in norms]
    behind = (count - part.stop) / count
    for norm, momentum in zip(norms, before, strict=True):
        if momentum is not None:
            norm.momentum = momentum * (part.stop - part.start) / count / (1 - momentum * behind)
        if part is not parts[0] and norm.num_batches_tracked is not None:
            norm.num_batches_tracked.sub_(1)
    try:
        yield
    finally:
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum


def _on_host(is_asked: bool) -> contextlib.AbstractContextManager[object]:
    """Keep what the backward pass needs in the host's memory: the same operations on the same batch, and so the same bits."""
    return torch.autograd.graph.save_on_cpu(pin_memory=True) if is_asked else contextlib.nullcontext()
