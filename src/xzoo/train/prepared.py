"""A backbone as it starts: built, loaded, and known by what it holds, for whoever trains it or asks it for features."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from torch import nn

from xzoo.model import weights
from xzoo.model.facts import built
from xzoo.model.heads import seeded
from xzoo.model.weights import LoadedWeights
from xzoo.train.features import tensors_key
from xzoo.zoo.identity import identity
from xzoo.zoo.spec import Choice, RandomStart


@dataclass(frozen=True, eq=False)
class Prepared:
    """A backbone with its weights, ready to be copied for each of its cells.

    `tensors` identifies its structure and every tensor outside its head, `body` these and its code.
    """

    choice: Choice
    network: nn.Module
    loaded: LoadedWeights
    tensors: str
    body: str


def prepare(choice: Choice) -> Prepared:
    """Return a backbone built and loaded. Raises PluginError and WeightsError."""
    number = choice.start.number if isinstance(choice.start, RandomStart) else 0
    with seeded(number, "start"):
        network = built(choice.backbone)
    loaded = weights.load(network, choice)
    tensors = tensors_key(network, choice.backbone.head.path)
    return Prepared(choice, network, loaded, tensors, hashlib.sha256(f"{identity(choice)}\n{tensors}".encode()).hexdigest())
