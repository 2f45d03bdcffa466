"""The phases of a freeze strategy, each trained on activations of what stays frozen where the network can be cut, else on images.

N = images, B = images in a batch, K = outputs
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data.batches import Batches, at_once
from xzoo.data.split import Split
from xzoo.model.classifier import Classifier
from xzoo.model.cut import NoCut, cut
from xzoo.train import boundary, rows
from xzoo.train.boundary import UpperNetwork
from xzoo.train.device import Device
from xzoo.train.learner import Learner, WholeNetwork
from xzoo.train.loop import Batched
from xzoo.train.shortage import Parted
from xzoo.train.views import ViewBatches
from xzoo.zoo.strategies import Strategy


@dataclass(frozen=True, eq=False)
class Phase:
    """What some epochs train on, and what images are predicted from: `ordered` gives the learner's inputs and the labels."""

    learner: Learner
    batches: Batched
    ordered: Callable[[NDArray[np.int64]], Iterator[tuple[Tensor, Tensor]]]
    note: str = ""
    seconds: float = 0.0


class Phases:
    """A learner and its batches in one: beginning an epoch turns both to the epoch's phase.

    Before the first epoch it is the whole network, which preflight tries. `notes` says, per phase, what is reused or why nothing;
    `seconds` is what computing it took.
    """

    def __init__(
        self, classifier: Classifier, whole: Phase, of_epoch: Sequence[Phase], notes: Sequence[str], seconds: float
    ) -> None:
        self.classifier = classifier
        self.notes = tuple(notes)
        self.seconds = seconds
        self._now = self._whole = whole
        self._of_epoch = of_epoch

    @property
    def seed(self) -> int:
        """The seed of the images' order."""
        return self._whole.batches.seed

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return self._whole.batches.num_steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Turn to the epoch's phase and return its batches, from batch number `start` on."""
        self._now = self._of_epoch[epoch]
        return self._now.batches.epoch(epoch, start)

    def ordered(self, indices: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Return the present phase's inputs for these images, with labels."""
        return self._now.ordered(indices)

    def outputs(self, inputs: Tensor) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        """Return logits (B,K), and auxiliary ones, for the present phase's inputs."""
        return self._now.learner.outputs(inputs)

    def logits_of(self, inputs: Tensor) -> Tensor:
        """Return logits (B,K) for the present phase's inputs."""
        return self.outputs(inputs)[0]

    def finish(self) -> None:
        """Do nothing: no phase changes the network but by training it, and the last one's inputs stay true."""


@dataclass(frozen=True, eq=False)
class Work:
    """What phases are laid out from. `training` has the split's training images; `body` identifies the network and its code.

    `passes` are those of the frozen part, as they are laid out.
    """

    classifier: Classifier
    training: Batches
    split: Split
    device: Device
    body: str
    passes: list[Parted] = field(default_factory=list)

    @property
    def every(self) -> NDArray[np.int64]:
        """The images of all three splits, in the order of the view."""
        return np.unique(np.concatenate([self.split.train, self.split.val, self.split.test]))

    @property
    def plain(self) -> Batches:
        """The training images without augmentation."""
        return replace(self.training, augment="none")


def lay(work: Work, strategy: Strategy, num_epochs: int) -> Phases:
    """Return the phases of a cell, activations computed and the classifier as it was built.

    A stage that learnt once stays above the boundary, since activations below are kept. Raises StorageError.
    """
    classifier = work.classifier
    looked_at = replace(work.plain, batch_size=at_once(work.training.batch_size, work.device.kind))
    whole = Phase(WholeNetwork(classifier), work.training, lambda indices: replace(looked_at, indices=indices).ordered())
    learnt: set[str] = set()
    above: list[frozenset[str]] = []
    for epoch in range(num_epochs):
        learnt |= classifier.learning_owners(strategy.rates(classifier.stages, epoch, num_epochs))
        above.append(frozenset(learnt))
    phases: dict[frozenset[str], Phase] = {}
    notes: list[str] = []
    seconds = 0.0
    for learning in dict.fromkeys(above):
        found = _reusing(work, learning, above.count(learning), learning == above[-1])
        phases[learning] = found if isinstance(found, Phase) else whole
        first = above.index(learning) + 1
        notes.append(
            f"epochs {first} to {first + above.count(learning) - 1}: {found.note if isinstance(found, Phase) else found}"
        )
        seconds += phases[learning].seconds
    return Phases(classifier, whole, [phases[learning] for learning in above], notes, seconds)


def _reusing(work: Work, learning: frozenset[str], num_epochs: int, is_last: bool) -> Phase | str:
    """Return a phase on activations, or the reason why it works on images."""
    training, split, classifier = work.training, work.split, work.classifier
    num_views = min(training.views, num_epochs) if training.augment != "none" else 0
    if training.augment != "none" and not training.views:
        return "images, which are augmented anew in every epoch"
    if not num_views and num_epochs * (len(split.train) + len(split.val)) + is_last * len(work.every) <= len(work.every):
        return "images, since so few epochs see no image twice"
    example_BCHW, _ = next(replace(work.plain, indices=split.train[:2]).ordered())
    found = cut(classifier, learning, example_BCHW, work.device.arithmetic)
    if isinstance(found, NoCut):
        return f"images: {found.reason}"
    classifier.network.eval()
    with work.device.arithmetic():
        row_bytes = rows.num_bytes(found.lower(example_BCHW))
    num_rows = len(work.every) + num_views * len(split.train)
    if not rows.fit(num_rows, row_bytes):
        return f"images: {num_rows} activations of {row_bytes:,} bytes are more than their share of the cache"
    body = f"{work.body} {found.place} {sorted(learning)}"
    lower = Parted(found.lower, "the pass of what stays frozen")
    work.passes.append(lower)
    kept = boundary.compute(replace(found, lower=lower), work.plain, work.every, work.device, body=body)
    batches = ViewBatches(training, lower, work.device, body) if num_views else kept
    note = f"activations of {found.place}, {row_bytes:,} bytes per image{kept.rows.detail and f'; {kept.rows.detail}'}"
    return Phase(UpperNetwork(classifier, found), batches, kept.ordered, note, kept.rows.seconds)
