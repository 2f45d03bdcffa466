"""Steps of the trainer itself on one batch, and which tensors they moved.

B = images in a batch
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from xzoo.conformance import anatomy
from xzoo.model.classifier import Classifier
from xzoo.model.ownership import HEAD
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.recipe import Recipe
from xzoo.zoo.strategies import Strategy, parse


@dataclass(frozen=True)
class Epoch:
    """What an epoch moved, by name, and which owners the strategy let learn."""

    number: int
    learning: frozenset[str]
    moved: frozenset[str]


@dataclass(eq=False)
class Batch:
    """One batch, `num_steps` times in an epoch."""

    images_BCHW: Tensor
    labels_B: Tensor
    seed: int = 0
    num_steps: int = 1

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batch."""
        del epoch
        for _ in range(start, self.num_steps):
            yield self.images_BCHW, self.labels_B


def device() -> Device:
    """Return the CPU in float32."""
    return Device("cpu", "fp32", torch.get_num_threads())


def epochs(classifier: Classifier, images_BCHW: Tensor, freeze: str, count: int = 1, num_steps: int = 1) -> Iterator[Epoch]:
    """Train epochs of so many steps, in place, and tell of each what it moved. Raises ProofError."""
    batch = Batch(images_BCHW, torch.arange(len(images_BCHW)) % classifier.num_outputs, num_steps=num_steps)
    recipe = Recipe(epochs=count, batch_size=max(2, len(images_BCHW)), schedule="constant", lr=1e-3)
    compute = objective(recipe, batch.labels_B.numpy(), classifier.num_outputs, "cpu")
    strategy: Strategy = parse(freeze)
    before = anatomy.fingerprints(classifier.network)
    for record in train(WholeNetwork(classifier), batch, compute, strategy, recipe, device(), dict):
        after = anatomy.fingerprints(classifier.network)
        rates = strategy.rates(classifier.stages, record.epoch, count)
        moved = frozenset(name for name, now in after.items() if before.get(name, now) != now)
        yield Epoch(record.epoch, frozenset(classifier.learning_owners(rates)), moved)
        before = after


def breaches(classifier: Classifier, epoch: Epoch) -> tuple[list[str], list[str]]:
    """Return what moved although frozen, and the parameters that were to learn and did not."""
    owners = classifier.tensor_owner
    frozen = [name for name in sorted(epoch.moved) if _owner(name, owners) not in epoch.learning]
    parameters = [name for name, _ in classifier.network.named_parameters()]
    still = [
        name
        for name in parameters
        if owners[name] in epoch.learning and name not in epoch.moved and name not in classifier.resting
    ]
    return frozen, still


def _owner(name: str, owners: dict[str, str] | object) -> str:
    """Return who owns a tensor; of one that the state dict does not hold, who owns what lies nearest."""
    assert isinstance(owners, dict)
    around = name
    while around:
        found = [owner for one, owner in owners.items() if one == around or one.startswith(f"{around}.")]
        if found:
            return str(found[0])
        around = around.rpartition(".")[0]
    return HEAD if not owners else str(next(iter(owners.values())))
