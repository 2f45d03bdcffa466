"""Gradients summed over ranks while the backward pass that makes them still goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xzoo.train.ranks import Ranks

MOST_BYTES = 8 << 20
"""Bytes of gradients that are sent at once: fewer wait longer for the wire's delay, more wait longer for their last gradient."""


@dataclass(eq=False)
class _Bucket:
    """Some parameters, and one flat tensor with a place for each one's gradient and, behind them, a 1 for each that has one."""

    parameters: list[nn.Parameter]
    flat: Tensor = field(init=False)
    views: list[Tensor] = field(init=False)
    num_ready: int = 0
    work: Any = None

    def __post_init__(self) -> None:
        sizes = [p.numel() for p in self.parameters]
        self.flat = torch.zeros(sum(sizes) + len(sizes), dtype=self.parameters[0].dtype, device=self.parameters[0].device)
        parts = torch.split(self.flat[: sum(sizes)], sizes)
        # Laid out as the parameter is, channels last or not, so that fused optimisers take both in one pass.
        self.views = [part.as_strided(p.shape, p.stride()) for part, p in zip(parts, self.parameters, strict=True)]

    @property
    def has_gradient(self) -> Tensor:
        """How many ranks have a gradient of each parameter."""
        return self.flat[-len(self.parameters) :]

    def fill(self) -> None:
        """Copy the gradients that are there; what has none counts as 0."""
        self.has_gradient.fill_(1)
        for place, (p, view) in enumerate(zip(self.parameters, self.views, strict=True)):
            if p.grad is None:
                view.zero_()
                self.has_gradient[place] = 0
            else:
                view.copy_(p.grad)


class Reduction:
    """Sums of gradients over ranks, in buckets that all send in the same order, each as soon as its last gradient is there.

    torch's DistributedDataParallel is not used: it wraps the network, whose names and stages then are others; it fixes which
    parameters learn when it is made, and phases change that; and a pass that runs out of memory leaves it in the middle of a
    step. Here a bucket that was sent stays sent: a pass that one rank makes again, in smaller parts, only fills what is missing.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self._buckets: list[_Bucket] = []
        self._known: list[nn.Parameter] = []
        self._num_sent = 0

    def learn(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum the gradients of these from now on."""
        if len(parameters) == len(self._known) and all(a is b for a, b in zip(parameters, self._known, strict=True)):
            return
        self._known = list(parameters)
        # Backwards: the last layers' gradients come first.
        self._buckets = [_Bucket(group) for group in _groups(self._known[::-1])]

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Send buckets as the backward pass inside fills them; it must be the last of its batch on this rank."""
        handles = []
        for bucket in self._buckets:
            bucket.num_ready = 0
            handles += [p.register_post_accumulate_grad_hook(partial(self._heed, bucket)) for p in bucket.parameters]  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def finish(self) -> None:
        """Send what is left, wait, and let every parameter have its sum; one without gradient on every rank keeps none."""
        self._send(len(self._buckets))
        for bucket in self._buckets:
            bucket.work.wait()
            for place, (p, view) in enumerate(zip(bucket.parameters, bucket.views, strict=True)):
                if p.grad is not None or float(bucket.has_gradient[place]) > 0:
                    p.grad = view
            bucket.work = None
        self._num_sent = 0

    def _heed(self, bucket: _Bucket, _: Tensor) -> None:
        bucket.num_ready += 1
        ready = self._num_sent
        while ready < len(self._buckets) and self._buckets[ready].num_ready >= len(self._buckets[ready].parameters):
            ready += 1
        self._send(ready)

    @torch.no_grad()
    def _send(self, until: int) -> None:
        for bucket in self._buckets[self._num_sent : until]:
            bucket.fill()
            bucket.work = self.ranks.begin_sum(bucket.flat)
        self._num_sent = max(self._num_sent, until)


def _groups(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Yield neighbours of one type that take no more than MOST_BYTES together, or one that takes more."""
    group: list[nn.Parameter] = []
    size = 0
    for p in parameters:
        if group and (p.dtype != group[0].dtype or size + p.numel() * p.element_size() > MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(p)
        size += p.numel() * p.element_size()
    if group:
        yield group
