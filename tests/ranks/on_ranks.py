"""Training at the level of the loop, alone or as one of several ranks: started by torchrun it keeps what each case became.

    torchrun --nproc-per-node 2 tests/ranks/on_ranks.py FOLDER [CASE...]

Without CASE all are carried out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import xzoo
from xzoo.data.share import Share
from xzoo.model.classifier import build as build_classifier
from xzoo.runs.conditions import in_words
from xzoo.runs.result import EpochRecord
from xzoo.train import reduction, rendezvous
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.ranks import ALONE, Ranks
from xzoo.train.recipe import make
from xzoo.zoo.registry import Registry
from xzoo.zoo.strategies import parse

SIDE, NUM_IMAGES = 10, 22
INPUT = xzoo.Preprocess(size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)


class Branched(nn.Module):
    """Two convolutions with batch norm, the second with a side exit that learns too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.block = nn.Sequential(nn.Conv2d(6, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8, momentum=None), nn.ReLU())
        self.drop, self.fc, self.side = nn.Dropout(0.5), nn.Linear(8, 10), nn.Linear(6, 10)

    def forward(self, images_BCHW: Tensor) -> Any:
        low = self.stem(images_BCHW)
        out = self.fc(self.drop(self.block(low).mean((2, 3))))
        return (out, self.side(low.mean((2, 3)))) if self.training else out


class Plain(Branched):
    """The same without side exit and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.0)
        del self.side

    def forward(self, images_BCHW: Tensor) -> Any:
        return self.fc(self.block(self.stem(images_BCHW)).mean((2, 3)))


class Hungry(Plain):
    """One without batch norm, for which rank 1 has no memory where it has more than two images at once."""

    def __init__(self) -> None:
        super().__init__()
        self.stem[1], self.block[1] = nn.Identity(), nn.Identity()

    def forward(self, images_BCHW: Tensor) -> Any:
        if os.environ.get("RANK") == "1" and self.training and len(images_BCHW) > 2:
            raise MemoryError("a rank's own")
        return super().forward(images_BCHW)


STAGES = {"stem": "stem", "block": "block"}
NETS = {
    "plain": xzoo.Backbone(name="plain", build=Plain, head=xzoo.ReplaceLinear("fc"), stages=STAGES, preprocess=INPUT),
    "hungry": xzoo.Backbone(name="hungry", build=Hungry, head=xzoo.ReplaceLinear("fc"), stages=STAGES, preprocess=INPUT),
    "branched": xzoo.Backbone(
        name="branched",
        build=Branched,
        head=xzoo.ReplaceLinear("fc"),
        stages=STAGES,
        preprocess=INPUT,
        auxiliary=[xzoo.Auxiliary(path="side", head=xzoo.ReplaceLinear("side"), output=1, weight=0.3)],
    ),
}


@dataclass(frozen=True)
class Case:
    """What is trained, on batches of `size`; `drops` leaves dropout on, which no rank draws as another does.

    `is_reversed` takes each batch from its end, which is the same sum in another order.
    """

    net: str = "plain"
    side: int = SIDE
    freeze: str = "finetune"
    size: int = 6
    drops: bool = False
    is_reversed: bool = False
    recipe: Mapping[str, Any] | None = None


CASES = {
    "adamw, clipped": Case(recipe={"clip": 0.05}),
    "uneven last batch": Case(size=5, recipe={"optimizer": "sgd", "lr": 0.05, "clip": 0.0}),
    "auxiliary head, balanced classes": Case("branched", size=7, recipe={"class_weights": "balanced", "label_smoothing": 0.1}),
    "phases": Case(freeze="gradual:1", recipe={"optimizer": "sgd", "lr": 0.05}),
    "memory of one rank": Case("hungry", size=7),
    "single logit": Case(size=5, recipe={"loss": "bce", "class_weights": "balanced"}),
}
DROPPING = {"dropping": Case("branched", drops=True), "dropping again": Case("branched", drops=True)}


@dataclass(frozen=True, eq=False)
class Shared:
    """Noise, in the same batches in every epoch, of which a rank gets its share."""

    size: int
    share: Share
    side: int = SIDE
    is_reversed: bool = False
    seed: int = 0

    @property
    def labels(self) -> Tensor:
        return (torch.arange(NUM_IMAGES) % 3 == 0).long()

    @property
    def num_steps(self) -> int:
        return -(-NUM_IMAGES // self.size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        images_NCHW = 0.5 + torch.randn(NUM_IMAGES, 3, self.side, self.side, generator=torch.Generator().manual_seed(0))
        for place in range(start * self.size, NUM_IMAGES, self.size):
            images_BCHW, labels_B = images_NCHW[place : place + self.size], self.labels[place : place + self.size]
            if self.is_reversed:
                images_BCHW, labels_B = images_BCHW.flip(0), labels_B.flip(0)
            yield images_BCHW[self.share.seen(len(labels_B))], labels_B


def carried_out(case: Case, ranks: Ranks = ALONE, num_steps: int = 20) -> tuple[dict[str, Tensor], list[EpochRecord]]:
    """Train from the same start for at least so many steps, and return all tensors and the records."""
    torch.manual_seed(0)
    backbone = NETS.get(case.net) or Registry.installed().get(f"{case.net}@random").backbone
    batches = Shared(case.size, ranks.share, case.side, case.is_reversed)
    recipe = make({"epochs": -(-num_steps // batches.num_steps), "lr": 0.003, "precision": "fp32", **(case.recipe or {})})
    classifier = build_classifier(
        backbone.build(), backbone, 1 if recipe.loss == "bce" else 2, seed=0, size=(case.side, case.side)
    )
    for module in classifier.network.modules() if not case.drops else ():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    compute = objective(recipe, batches.labels.numpy(), 2, "cpu")
    device = Device("cpu", recipe.precision, 1, ranks=ranks)
    records = list(train(WholeNetwork(classifier), batches, compute, parse(case.freeze), recipe, device, dict))
    return {name: tensor.clone() for name, tensor in classifier.network.state_dict().items()}, records


def main(folder: Path, names: Sequence[str]) -> None:
    """Carry out cases as one of several ranks, and let the leader keep what became of them."""
    torch.set_num_threads(1)
    reduction.MOST_BYTES = 400  # several buckets of a small network
    place = rendezvous.meeting(os.environ)
    assert place is not None
    with rendezvous.connected(place, "cpu", None) as ranks:
        for name in names or [*CASES, *DROPPING]:
            tensors, records = carried_out({**CASES, **DROPPING}[name], ranks)
            if ranks.is_leader:
                told = {str(record.epoch): f"{record.train_loss} {record.train_accuracy}" for record in records}
                told["memory"] = "; ".join(in_words(one) for record in records for one in record.memory)
                save_file(tensors, folder / f"{name}.safetensors", told)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
