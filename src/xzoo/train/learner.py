"""What the loop trains: a whole classifier, or its head alone on features that were computed before.

B = images in a batch, K = outputs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from xzoo.model.classifier import Classifier
from xzoo.train.standardise import IDENTITY, Standardiser


class Learner(Protocol):
    """What the loop needs to know of what it trains."""

    classifier: Classifier

    def outputs(self, inputs: Tensor) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        """Return logits (B,K) and, per auxiliary head that learns, its loss weight and logits."""
        ...

    def finish(self) -> None:
        """Leave the classifier as it is to be used."""
        ...


class WholeNetwork:
    """Images in; every stage can learn."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def outputs(self, inputs: Tensor) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        """Return the network's outputs for images (B,C,H,W)."""
        return self.classifier.outputs(inputs)

    def finish(self) -> None:
        """Do nothing: what was trained is what is used."""


class HeadOnFeatures:
    """Features in, standardised; the head alone learns. `finish` folds the standardisation into the head."""

    def __init__(self, classifier: Classifier, standardiser: Standardiser) -> None:
        self.classifier = classifier
        self.standardiser = standardiser

    def outputs(self, inputs: Tensor) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        """Return the head's outputs for features (B,D) or (B,C,H,W)."""
        return self.classifier.logits_of(self.standardiser(inputs)), []

    def finish(self) -> None:
        """Make the head take plain features and give the same logits."""
        self.standardiser.fold(self.classifier.head)
        self.standardiser = IDENTITY


def groups_of(classifier: Classifier, rates: Mapping[str, float], held: set[str]) -> list[tuple[str, list[nn.Parameter]]]:
    """Return the owners, with their parameters, that learn at these rates and are not yet `held` by the optimiser."""
    return [(owner, classifier.parameters_of(owner)) for owner in sorted(classifier.learning_owners(rates) - held)]
