"""A network learns a few images by heart: what cannot do that, cannot learn.

B = images in a batch
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from xzoo.conformance.images import draw
from xzoo.conformance.steps import Batch
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault, Note
from xzoo.errors import CellError
from xzoo.train.device import choose, suited
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.recipe import Recipe
from xzoo.zoo.strategies import Finetune

NUM_IMAGES, FEWEST_IMAGES = 16, 2
RATES = (1e-3, 3e-4, 3e-3)
MOST_STEPS = 80
ENOUGH = 0.25
"""Mean loss in nats. Probabilities in place of logits cannot fall below 0.31 for two classes."""

GMACS = 80.0
"""Multiply-accumulates, in 10^9, that the images of a step may cost: larger networks get fewer of them."""


@dataclass(frozen=True)
class Outcome:
    """How far training came: its loss and share of right answers in the last step, and the number of steps."""

    loss: float
    accuracy: float
    steps: int

    @property
    def is_enough(self) -> bool:
        """Whether every image is known, and for sure."""
        return self.accuracy == 1.0 and self.loss < ENOUGH


def attempts(on: Subject) -> Iterator[Fault | Note]:
    """Yield a note of the learning rate at which the images were learnt, or the fault that they were at none."""
    count = num_images(on)
    tried: list[str] = []
    for number, rate in enumerate(RATES):
        try:
            outcome = _attempt(on, number, rate, count)
        except CellError as error:
            tried.append(f"lr={rate:g}: {error.text}")
            continue
        if outcome.is_enough:
            yield Note(f"{count} images in {outcome.steps} steps at lr={rate:g}")
            return
        tried.append(f"lr={rate:g}: loss {outcome.loss:.2f}, {outcome.accuracy:.0%} right after {outcome.steps} steps")
    yield Fault(
        f"{count} images are not learnt: {'; '.join(tried)}",
        "return logits, scaled as the head gives them, and let gradients through",
    )


def num_images(on: Subject) -> int:
    """Return how many images to learn, an even number."""
    return max(FEWEST_IMAGES, min(NUM_IMAGES, int(GMACS / max(on.gmacs(on.size), 1e-9)) // 2 * 2))


def _attempt(on: Subject, number: int, rate: float, count: int) -> Outcome:
    """Train from the start `number` at a rate until the images are known. Raises CellError where training cannot go on."""
    classifier = on.classifier(number, num_outputs=2)
    device = suited(choose("cpu"), classifier.network)
    labels_B = torch.arange(count) % 2
    images_BCHW = draw(count, on.preprocess.num_channels, on.size) + (labels_B * 2.0 - 1.0).view(-1, 1, 1, 1)
    recipe = Recipe(epochs=MOST_STEPS, batch_size=count, schedule="constant", lr=rate)
    compute = objective(recipe, labels_B.numpy(), 2, device.kind)
    steps = train(WholeNetwork(classifier), Batch(images_BCHW, labels_B), compute, Finetune(), recipe, device, dict)
    outcome = Outcome(float("inf"), 0.0, 0)
    with on.during("steps of training"):
        for record in steps:
            outcome = Outcome(record.train_loss, record.train_accuracy, record.epoch + 1)
            if outcome.is_enough:
                break
    return outcome
