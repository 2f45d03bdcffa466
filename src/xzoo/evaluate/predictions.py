"""Probabilities of every image of a split.

N = images, B = images in a batch, K = classes
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.train.device import Device
from xzoo.train.objective import probabilities


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities (N,K) and labels (N,) in the order of the batches, and the seconds they took."""

    probabilities_NK: NDArray[np.float64]
    labels_N: NDArray[np.int64]
    seconds: float

    @property
    def are_finite(self) -> NDArray[np.bool_]:
        """Which images have numbers for answers (N,)."""
        return np.asarray(np.isfinite(self.probabilities_NK).all(axis=1))

    @property
    def image_losses(self) -> NDArray[np.float64]:
        """The negative log likelihood of each image (N,) in nats; a probability counts as at least 1e-12."""
        return np.asarray(-np.log(np.clip(self.probabilities_NK[np.arange(len(self.labels_N)), self.labels_N], 1e-12, 1)))

    @property
    def loss(self) -> float:
        """The mean negative log likelihood."""
        return float(self.image_losses.mean())

    @property
    def accuracy(self) -> float:
        """The share of images whose most probable class is the right one."""
        return float((self.probabilities_NK.argmax(1) == self.labels_N).mean())


def predict(logits_of: Callable[[Tensor], Tensor], batches: Iterator[tuple[Tensor, Tensor]], device: Device) -> Predictions:
    """Return the predictions for batches of inputs and labels; whoever calls has put the network in eval mode."""
    began = time.perf_counter()
    found: deque[Tensor] = deque()
    labels: list[Tensor] = []
    # Not inference_mode: under it autocast casts the weights anew for every batch.
    with torch.no_grad(), device.arithmetic():
        for inputs, labels_B in batches:
            found.append(probabilities(logits_of(inputs)))
            labels.append(labels_B)
    if not device.runs_ahead:
        return Predictions(_one_array(found), torch.cat(labels).cpu().numpy(), time.perf_counter() - began)
    # One transfer for a whole split: a label is a number that float64 holds exactly.
    rows = torch.cat([torch.cat([*found]), torch.cat(labels)[:, None].double()], dim=1).cpu().numpy()
    probabilities_NK, labels_N = np.ascontiguousarray(rows[:, :-1]), rows[:, -1].astype(np.int64)
    return Predictions(probabilities_NK, labels_N, time.perf_counter() - began)


def _one_array(found: deque[Tensor]) -> NDArray[np.float64]:
    """Return the rows of all parts (N,K), each part gone when it is copied: of many images and classes one copy is enough."""
    probabilities_NK = np.empty((sum(map(len, found)), found[0].shape[1]))
    place = 0
    while found:
        part = found.popleft()
        probabilities_NK[place : place + len(part)] = part.cpu().numpy()
        place += len(part)
    return probabilities_NK
