"""Threads that stand for ranks: each has a part of a batch, and sums go through a barrier."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from xzoo.train.ranks import Ranks

COUNT = 3


@dataclass(eq=False)
class Table:
    """Where threads lay down tensors, and take up all of them once each has."""

    barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(COUNT, timeout=20))
    laid: dict[int, Tensor] = field(default_factory=dict)

    def all_of(self, rank: int, values: Tensor) -> list[Tensor]:
        self.laid[rank] = values.clone()
        self.barrier.wait()
        found = [self.laid[other] for other in range(COUNT)]
        self.barrier.wait()
        return found


@dataclass(frozen=True, eq=False)
class Threaded(Ranks):
    """A rank that is a thread."""

    table: Table = field(default_factory=Table)

    def each(self, values: Tensor) -> list[Tensor]:
        return self.table.all_of(self.rank, values)

    def sum(self, values: Tensor) -> None:
        values.copy_(torch.stack(self.table.all_of(self.rank, values)).sum(0))


def on_threads(work: Callable[[Ranks], Any]) -> list[Any]:
    """Do the work on every rank at once, and return what each found."""
    table = Table()
    with ThreadPoolExecutor(COUNT) as pool:
        futures = [pool.submit(work, Threaded(rank, COUNT, table=table)) for rank in range(COUNT)]
        return [future.result() for future in futures]
