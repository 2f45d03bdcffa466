"""What a step costs on one rank and on several: `torchrun --nproc-per-node 2 tests/ranks/scaling.py resnet18 vgg16`.

Each network trains whole (random weights, 64 pixels, a batch of 32, SGD) for some steps as one process and then on all ranks, one
thread each. Printed are the best wall time of a step, the processor time of the busiest rank, and what a step sends. Processor
time leaves out what a rank waits for, and what other work on the machine takes: it is the bound that waiting comes on top of.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from xzoo.data.share import Share
from xzoo.model.classifier import build
from xzoo.train import rendezvous
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.ranks import ALONE, Ranks
from xzoo.train.recipe import make
from xzoo.zoo.registry import Registry
from xzoo.zoo.strategies import parse

SIDE, BATCH, STEPS = 64, 32, 8


@dataclass(eq=False)
class Timed:
    """One batch again and again; `walls` and `busy` are the seconds of each step."""

    share: Share
    seed: int = 0
    num_steps: int = STEPS

    def __post_init__(self) -> None:
        self.images_BCHW = torch.randn(BATCH, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
        self.labels_B = torch.arange(BATCH) % 2
        self.walls: list[float] = []
        self.busy: list[float] = []

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        del epoch
        for _ in range(start, self.num_steps):
            wall, busy = time.perf_counter(), time.process_time()
            yield self.images_BCHW[self.share.seen(BATCH)], self.labels_B
            self.walls.append(time.perf_counter() - wall)
            self.busy.append(time.process_time() - busy)


def timed(name: str, ranks: Ranks) -> tuple[float, float, float]:
    """Return a step's best wall time, the processor time of the busiest rank (median), and the MB of its gradients."""
    torch.manual_seed(0)
    backbone = Registry.installed().get(f"{name}@random").backbone
    classifier = build(backbone.build(), backbone, 2, seed=0, size=(SIDE, SIDE))
    classifier.network.to(memory_format=torch.channels_last)
    batches, recipe = Timed(ranks.share), make({"epochs": 2, "optimizer": "sgd", "lr": 1e-4, "precision": "fp32"})
    compute = objective(recipe, batches.labels_B.numpy(), 2, "cpu")
    device = Device("cpu", "fp32", 1, ranks=ranks)
    for _ in train(WholeNetwork(classifier), batches, compute, parse("finetune"), recipe, device, dict):
        pass
    size = sum(p.numel() * p.element_size() for p in classifier.network.parameters()) / 1e6
    return min(batches.walls), max(ranks.gathered(statistics.median(batches.busy))), size


def main(names: list[str]) -> None:
    """Time every network alone and on the ranks, and print a table."""
    torch.set_num_threads(1)
    place = rendezvous.meeting(os.environ)
    assert place is not None
    with rendezvous.connected(place, "cpu", None) as ranks:
        lines = []
        for name in names:
            with ranks.leader_first(f"{name} alone"):
                wall, busy, size = timed(name, ALONE) if ranks.is_leader else (0.0, 0.0, 0.0)
            walls, busies, _ = timed(name, ranks)
            cells = [name, f"{size:.0f} MB", f"{wall:.3f}", f"{walls:.3f}", f"{busy:.3f}", f"{busies:.3f}"]
            lines.append(f"| {' | '.join([*cells, f'{wall / walls:.2f}', f'{busy / busies:.2f}']) if walls and wall else name} |")
        if ranks.is_leader:
            head = [
                "network",
                "gradients",
                "step alone, s",
                f"on {ranks.count} ranks",
                "processor alone, s",
                "busiest rank",
                "times faster",
            ]
            print(f"| {' | '.join([*head, 'if nobody waited'])} |", "|---" * (len(head) + 1) + "|", *lines, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
