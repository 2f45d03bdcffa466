"""Networks of the zoo on several ranks and on one process: how far apart their weights are after 20 steps.

    torchrun --nproc-per-node 2 tests/ranks/agreement.py googlenet resnet18 densenet121

Random weights, 64 pixels, batches of 9, 9 and 4 images of noise, SGD with momentum and clipping at 1, dropout off, float32 on a
CPU. Prints a table for docs/scale.md: of each tensor the distance relative to its norm, of all numbers the largest difference.
Its measure is one process again that takes each batch from its end: the same sums in another order, which rounding alone tells
apart. What ranks add beyond that would be theirs; what they do not is the network's own sensitivity.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import torch
from torch import Tensor

from on_ranks import Case, carried_out
from xzoo.train import rendezvous

NUM_STEPS = 20
SIDE = 64
RECIPE = {"optimizer": "sgd", "lr": 0.003, "clip": 1.0}


def distance(found: Tensor, wanted: Tensor) -> float:
    """Return how far two tensors are apart, relative to the norm of the second."""
    found, wanted = found.double(), wanted.double()
    return float((found - wanted).norm() / wanted.norm().clamp(min=1e-30))


def row(name: str, what: str, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """Return a line of one network."""
    off = {key: distance(found[key], wanted[key]) for key in wanted}
    worst = max(off, key=lambda key: off[key])
    within = sum(value <= 1e-5 for value in off.values())
    largest = max(float((found[key].double() - wanted[key].double()).abs().max()) for key in wanted)
    median = sorted(off.values())[len(off) // 2]
    return f"| {name} | {what} | {within} of {len(off)} | {median:.1e} | {off[worst]:.1e} (`{worst}`) | {largest:.1e} |"


def main(names: list[str]) -> None:
    """Train every network on the ranks, and the leader alone again, and print the table."""
    torch.set_num_threads(1)
    place = rendezvous.meeting(os.environ)
    assert place is not None
    with rendezvous.connected(place, "cpu", None) as ranks:
        if ranks.is_leader:
            print("| network | what | tensors within 1e-5 | median | farthest | largest difference of a number |")
            print("|---|---|---|---|---|---|")
        for name in names:
            case = Case(name, size=9, side=SIDE, recipe=RECIPE)
            found, _ = carried_out(case, ranks, NUM_STEPS)
            if ranks.is_leader:
                wanted, _ = carried_out(case, num_steps=NUM_STEPS)
                again, _ = carried_out(replace(case, is_reversed=True), num_steps=NUM_STEPS)
                print(row(name, f"{ranks.count} ranks", found, wanted), flush=True)
                print(row(name, "batches from their end", again, wanted), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
