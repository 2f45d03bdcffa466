"""Activations at the freeze boundary, computed once and kept, and the learner that trains what lies above it.

N = images, B = images in a batch, K = outputs
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data.batches import Batches, at_once, chunks, labels_of
from xzoo.data.feed import resident
from xzoo.data.share import WHOLE, Share
from xzoo.model.classifier import Classifier
from xzoo.model.cut import Cut
from xzoo.train import rows
from xzoo.train.device import Device
from xzoo.train.rows import Placed, Rows
from xzoo.train.shortage import Parted


class UpperNetwork:
    """Boundary activations in; the part above the boundary learns, in the classifier's own modules."""

    def __init__(self, classifier: Classifier, cut: Cut) -> None:
        self.classifier = classifier
        self.cut = cut

    def outputs(self, inputs: Tensor) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        """Return logits (B,K) for activations (B,...); auxiliary heads learn only where nothing is frozen."""
        return self.cut.upper(inputs), []

    def finish(self) -> None:
        """Do nothing: what was trained is what is used."""


@dataclass(frozen=True, eq=False)
class Activations:
    """Batches of kept activations, in the same order as batches of the images would come. `place_N` finds an image's row."""

    rows: Rows
    place_N: NDArray[np.int64]
    images: Batches

    @property
    def seed(self) -> int:
        """The seed of the images' order."""
        return self.images.seed

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return self.images.num_steps

    @functools.cached_property
    def held(self) -> Tensor | None:
        """All rows on the device, where they fit there."""
        return resident(self.rows.bytes_NR, self.images.device)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield activations (B,...) and labels (B,) in the order of an epoch, from batch number `start` on."""
        return self._batches(self.images.order(epoch), self.images.batch_size, start, self.images.share)

    def ordered(self, indices: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield activations and labels of these images, in their order, to be looked at alone."""
        return self._batches(indices, at_once(self.images.batch_size, self.images.device))

    def _batches(
        self, order: NDArray[np.int64], batch_size: int, start: int = 0, share: Share = WHOLE
    ) -> Iterator[tuple[Tensor, Tensor]]:
        parts, device = chunks(order, batch_size), self.images.device
        batches = self.rows.batches([self.place_N[part[share.seen(len(part))]] for part in parts[start:]], device, self.held)
        return zip(batches, labels_of(self.images.labels_N, order, parts, device)[start:], strict=True)


def compute(cut: Cut, images: Batches, indices: NDArray[np.int64], device: Device, *, body: str) -> Activations:
    """Return the activations of the images `indices`, for training on those of `images`: from the cache where they are there.

    `body` identifies the network's tensors, its code, and which of its stages learn. Every image is computed in a batch of
    exactly `batch_size`, the last one filled up, because in float32 a CPU's result depends on the size of the batch in its last
    bits. The network must be in eval mode.
    """
    indices = np.unique(indices)
    size = images.batch_size
    lower = cut.lower if isinstance(cut.lower, Parted) else Parted(cut.lower, "the pass of what stays frozen")

    def placed() -> Placed:
        filled = np.resize(indices, -(-len(indices) // size) * size)
        plain = replace(images, indices=filled, augment="none")
        for start, (images_BCHW, _) in zip(range(0, len(filled), size), plain.ordered(), strict=True):
            with device.arithmetic():
                batch = lower(images_BCHW)
            kept = min(size, len(indices) - start)
            yield np.arange(start, start + kept), batch[:kept]

    kept = rows.kept(
        ["activations", cut.place, *words(images, indices, device, body)], len(indices), placed, lambda: lower.detail
    )
    return Activations(kept, places(indices, len(images.labels_N)), images)


def words(images: Batches, indices: NDArray[np.int64], device: Device, body: str) -> list[object]:
    """Return all that the result of a body's pass over these images rests on, but the augmentation."""
    which = hashlib.sha256(np.ascontiguousarray(indices, dtype=np.int64).tobytes()).hexdigest()
    where = [device.kind, device.precision, device.threads, torch.__version__, *["deterministic"] * device.deterministic]
    return [body, images.view.key, repr(images.preprocess), images.channels_last, which, images.batch_size, *where]


def places(indices: NDArray[np.int64], num_images: int) -> NDArray[np.int64]:
    """Return the place of each image (N,) in `indices`; -1 for those that are not there."""
    place_N = np.full(num_images, -1, dtype=np.int64)
    place_N[indices] = np.arange(len(indices))
    return place_N
