"""The trainer's own steps on one batch, again and again: what training costs, without data that would have to be read.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from xzoo.model.classifier import Classifier
from xzoo.model.cut import NoCut, cut
from xzoo.runs.conditions import in_words
from xzoo.train import standardise
from xzoo.train.boundary import UpperNetwork
from xzoo.train.device import Device
from xzoo.train.learner import HeadOnFeatures, Learner, WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.recipe import Recipe
from xzoo.train.shortage import MemoryShortageError
from xzoo.zoo.strategies import Strategy

_ENDLESS = 100_000


class Steps:
    """Steps of a freeze strategy's last phase, on what that phase trains on.

    `trains_on` is `features` where the head alone learns, `activations` where the network can be cut below what learns, else
    `images`; `learning` names the stages that learn. The classifier is trained in place.
    """

    def __init__(
        self, classifier: Classifier, images_BCHW: Tensor, labels_B: Tensor, strategy: Strategy, recipe: Recipe, device: Device
    ) -> None:
        recipe = replace(recipe, epochs=_ENDLESS, schedule="constant", warmup=0.0)
        rates = strategy.rates(classifier.stages, _ENDLESS - 1, _ENDLESS)
        self.learning = tuple(stage for stage in classifier.stages if rates.get(stage, 0.0) > 0)
        self.trains_on, learner, inputs = _reusing(classifier, images_BCHW, rates, device)
        self._batches = _Again(inputs, labels_B)
        compute = objective(recipe, labels_B.cpu().numpy(), max(2, classifier.num_outputs), device.kind)
        self._epochs = train(learner, self._batches, compute, _Held(rates), recipe, device, dict)

    def run(self, count: int = 1) -> None:
        """Make so many steps, as one epoch, and wait until the device has done them. The first ever demand the proof.

        Raises MemoryShortageError where memory does not suffice for the whole batch.
        """
        self._batches.num_steps = count
        if short := next(self._epochs).memory:
            raise MemoryShortageError(
                f"{in_words(short[0])}, and steps in parts are not what is timed", "time a smaller backbone"
            )


@dataclass(frozen=True)
class _Held:
    """The same rates in every epoch."""

    held: Mapping[str, float]

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        del stages, epoch, num_epochs
        return self.held


@dataclass(eq=False)
class _Again:
    """One batch again and again, in epochs of `num_steps`."""

    inputs: Tensor
    labels_B: Tensor
    seed: int = 0
    num_steps: int = field(default=1)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        del epoch
        for _ in range(start, self.num_steps):
            yield self.inputs, self.labels_B


def _reusing(
    classifier: Classifier, images_BCHW: Tensor, rates: Mapping[str, float], device: Device
) -> tuple[str, Learner, Tensor]:
    """Return the name of what is trained on, the learner, and its inputs, as the trainer itself would choose them."""
    network = classifier.network
    if not any(rates.values()):
        network.eval()
        with torch.no_grad(), device.arithmetic():
            features = classifier.features(images_BCHW).float()
        return "features", HeadOnFeatures(classifier, standardise.fit(features, classifier.head)), features
    found = cut(classifier, classifier.learning_owners(rates), images_BCHW[:2], device.arithmetic)
    if isinstance(found, NoCut):
        return "images", WholeNetwork(classifier), images_BCHW
    network.eval()
    with device.arithmetic():
        return "activations", UpperNetwork(classifier, found), found.lower(images_BCHW)
