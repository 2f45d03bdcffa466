"""The head's input, computed once per (weights, preprocessing, pack, precision, engine) and kept.

N = images, B = images in a batch, D = features
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xzoo.data.batches import Batches, chunks
from xzoo.data.feed import spread
from xzoo.data.order import Blocks, shuffled
from xzoo.runs.conditions import Shortage
from xzoo.train import rows
from xzoo.train.boundary import words
from xzoo.train.device import Device
from xzoo.train.rows import Placed, Rows
from xzoo.train.shortage import Parted
from xzoo.train.tables import Streamed, held


@dataclass(frozen=True, eq=False)
class FeatureBatches:
    """Batches of stored features, in the same order as batches of the images would come."""

    features_N: Tensor | Streamed
    labels_N: Tensor
    indices: NDArray[np.int64]
    batch_size: int
    seed: int
    blocks: Blocks | None = None

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return len(chunks(self.indices, self.batch_size))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features (B,D...) and labels (B,) in the order of an epoch, from batch number `start` on."""
        return self._batches(shuffled(self.indices, self.seed, epoch, self.blocks), start)

    def ordered(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features and labels in the order of the indices."""
        return self._batches(self.indices)

    def _batches(self, order: NDArray[np.int64], start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for places_B in spread(torch.from_numpy(order), chunks(order, self.batch_size), str(self.features_N.device))[start:]:
            yield self.features_N[places_B], self.labels_N[places_B]


Runs = Callable[[Tensor], Tensor]


class Extractor:
    """A frozen body, images (B,C,H,W) to features in float32, made ready by `load` when the first images come.

    `name` identifies what runs it, an engine and its version. Autocast is off: the body has its own precision.
    """

    def __init__(self, name: str, load: Callable[[Tensor], Runs]) -> None:
        self.name = name
        self._load = load
        self._run: Runs | None = None
        self._parted = Parted(self._whole, "the feature pass")

    @property
    def detail(self) -> str:
        """How the body was made ready, and why so; nothing before the first images."""
        return "; ".join(filter(None, [getattr(self._run, "detail", ""), self._parted.detail]))

    @property
    def memory(self) -> Sequence[Shortage]:
        """Where memory ran out."""
        return self._parted.memory

    def __call__(self, images_BCHW: Tensor) -> Tensor:
        """Return the features of these images. Raises MemoryShortageError."""
        return self._parted(images_BCHW)

    @torch.no_grad()
    def _whole(self, images_BCHW: Tensor) -> Tensor:
        with torch.autocast(images_BCHW.device.type, enabled=False):
            if self._run is None:
                self._run = self._load(images_BCHW)
            return self._run(images_BCHW).float()


@dataclass(frozen=True, eq=False)
class LiveFeatures:
    """Features of augmented images, computed as they come: they differ in every epoch."""

    extract: Extractor
    images: Batches

    @property
    def seed(self) -> int:
        """The seed of the images' order."""
        return self.images.seed

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return self.images.num_steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features and labels of an epoch's augmented images, from batch number `start` on."""
        for images_BCHW, labels_B in self.images.epoch(epoch, start):
            yield self.extract(images_BCHW), labels_B


def compute(extract: Extractor, images: Batches, device: Device, *, body: str) -> tuple[Tensor | Streamed, Rows]:
    """Return features (N,D) or (N,D,H,W) of the images in their order, on the device, and what is known of their making.

    Those that are too many to be held (`tables.HELD_BYTES`) are read as rows are asked for.
    They come from the cache where they are there. `body` identifies the network's tensors (see `tensors_key`) and code. Raises
    StorageError.
    """

    def placed() -> Placed:
        place = 0
        for images_BCHW, _ in images.ordered():
            yield np.arange(place, place + len(images_BCHW)), extract(images_BCHW)
            place += len(images_BCHW)

    about = words(images, images.indices, device, body)
    kept = rows.kept(["features", extract.name, *about], len(images.indices), placed, lambda: extract.detail)
    return held(kept, device.kind), kept


def tensors_key(network: nn.Module, head: str) -> str:
    """Return a hash of a network's structure and of every tensor outside its head."""
    digest = hashlib.sha256(str(network).encode())
    for name, tensor in network.state_dict().items():
        if not name.startswith(head + "."):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
