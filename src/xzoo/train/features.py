"""The head's input, computed once per (weights, preprocessing, pack, precision) and kept.

N = images, B = images in a batch, D = features
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xzoo import durable
from xzoo.data import cache
from xzoo.data.batches import Batches, chunks, shuffled
from xzoo.model.classifier import Classifier
from xzoo.train.device import Device

_FORMAT = "xzoo.features/2: features.npy and seconds.npy"


@dataclass(frozen=True, eq=False)
class FeatureBatches:
    """Batches of stored features, in the same order as batches of the images would come."""

    features_N: Tensor
    labels_N: Tensor
    indices: NDArray[np.int64]
    batch_size: int
    seed: int

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return len(chunks(self.indices, self.batch_size))

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features (B,D...) and labels (B,) in the order of an epoch."""
        return self._batches(shuffled(self.indices, self.seed, epoch))

    def ordered(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features and labels in the order of the indices."""
        return self._batches(self.indices)

    def _batches(self, order: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
        for chunk in chunks(order, self.batch_size):
            chosen = torch.from_numpy(chunk).to(self.features_N.device)
            yield self.features_N[chosen], self.labels_N[chosen]


@dataclass(frozen=True, eq=False)
class LiveFeatures:
    """Features of augmented images, computed as they come: they differ in every epoch."""

    classifier: Classifier
    images: Batches
    device: Device

    @property
    def seed(self) -> int:
        """The seed of the images' order."""
        return self.images.seed

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return self.images.num_steps

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features and labels of an epoch's augmented images."""
        for images_BCHW, labels_B in self.images.epoch(epoch):
            yield _features(self.classifier, images_BCHW, self.device), labels_B


def compute(
    classifier: Classifier, images: Batches, device: Device, *, body: str, pack: str
) -> tuple[NDArray[np.float32], float]:
    """Return features (N,D) or (N,D,H,W) of all images, from the cache where they are there, and the seconds they took.

    `body` identifies the network's tensors (see `tensors_key`) and code, `pack` the images.
    """
    folder = cache.root() / "features" / _key(images, device, body, pack)
    if not durable.is_whole(folder):
        began = time.perf_counter()
        classifier.network.eval()
        parts = [_features(classifier, images_BCHW, device).float().cpu().numpy() for images_BCHW, _ in images.ordered()]
        with durable.new_folder(folder) as temporary:
            np.save(temporary / "features.npy", np.concatenate(parts))
            np.save(temporary / "seconds.npy", np.float64(time.perf_counter() - began))
        cache.trim(keep=(folder,))
    cache.touch(folder)
    loaded: NDArray[np.float32] = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
    return loaded, float(np.load(folder / "seconds.npy", allow_pickle=False))


def tensors_key(network: nn.Module, head: str) -> str:
    """Return a hash of a network's structure and of every tensor outside its head."""
    digest = hashlib.sha256(str(network).encode())
    for name, tensor in network.state_dict().items():
        if not name.startswith(head + "."):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _features(classifier: Classifier, images_BCHW: Tensor, device: Device) -> Tensor:
    with torch.no_grad(), device.arithmetic():
        return classifier.features(images_BCHW).float()


def _key(images: Batches, device: Device, body: str, pack: str) -> str:
    words = [_FORMAT, body, pack, images.view.key, repr(images.preprocess), len(images.indices), images.batch_size]
    words += [device.kind, device.precision, device.threads, torch.__version__]
    return hashlib.sha256("\n".join(map(str, words)).encode()).hexdigest()[:32]
