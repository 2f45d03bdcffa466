"""Batches of normalised images, in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data.augment import augmented, luminance, parse
from xzoo.data.drawing import generator
from xzoo.data.pack import View
from xzoo.errors import UsageError
from xzoo.zoo.spec import Preprocess

# N = images of the view, B = images in a batch, C = channels, H, W = pixels


@dataclass(frozen=True, eq=False)
class Batches:
    """The images of a split as batches. `indices` are places in the view and in `labels_N`.

    With `views` K above 0 epoch e is augmented as epoch e mod K: an image comes in K forms and no more.
    """

    view: View
    labels_N: NDArray[np.int64]
    indices: NDArray[np.int64]
    preprocess: Preprocess
    batch_size: int
    seed: int = 0
    augment: str = "none"
    device: str = "cpu"
    channels_last: bool = True
    views: int = 0

    def __post_init__(self) -> None:
        parse(self.augment)
        if self.batch_size < 1:
            raise UsageError(f"batch size {self.batch_size} is no size", "give a number of images, from 1")
        stored, wanted = self.view.pixels_NCHW.shape[1], self.preprocess.num_channels
        if stored != wanted and {stored, wanted} != {1, 3} and stored != 1:
            raise UsageError(f"images of {stored} channels do not fit a preprocessing of {wanted}", "choose another backbone")

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return len(chunks(self.indices, self.batch_size))

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (B,C,H,W) float32 and labels (B,) int64 in the epoch's order, augmented."""
        for chunk in chunks(shuffled(self.indices, self.seed, epoch), self.batch_size):
            yield self._batch(chunk, epoch)

    def ordered(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the same batches in the order of `indices`, without augmentation."""
        for chunk in chunks(self.indices, self.batch_size):
            yield self._batch(chunk, None)

    def _batch(self, chunk: NDArray[np.int64], epoch: int | None) -> tuple[Tensor, Tensor]:
        images_BCHW = self._gathered(chunk).to(self.device, non_blocking=True).to(torch.float32).div_(255)
        if epoch is not None:
            number = epoch % self.views if self.views else epoch
            images_BCHW = augmented(images_BCHW, parse(self.augment), self.seed, number, chunk)
        images_BCHW = normalised(images_BCHW, self.preprocess)
        if self.channels_last:
            images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)
        labels_B = torch.from_numpy(self.labels_N[chunk].astype(np.int64))
        return images_BCHW, labels_B.to(self.device)

    def _gathered(self, chunk: NDArray[np.int64]) -> Tensor:
        shape = (len(chunk), *self.view.pixels_NCHW.shape[1:])
        buffer_BCHW = torch.empty(shape, dtype=torch.uint8, pin_memory=self.device.startswith("cuda"))
        rows = buffer_BCHW.numpy()
        # One copy per image, in the order of the file: numpy's own gather would copy twice, and a strided view entirely.
        for place in np.argsort(chunk, kind="stable"):
            rows[place] = self.view.pixels_NCHW[chunk[place]]
        return buffer_BCHW


def shuffled(indices: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the indices in an epoch's order, a pure function of indices, seed and epoch."""
    return generator(f"order {seed} {epoch}").permutation(indices)


def chunks(order: NDArray[np.int64], batch_size: int) -> Sequence[NDArray[np.int64]]:
    """Return an order cut into batches; a last batch of one image joins the one before it, since batch norm needs two."""
    edges = [*range(0, len(order), batch_size), len(order)]
    if len(edges) > 2 and edges[-1] - edges[-2] == 1:
        del edges[-2]
    return [order[start:stop] for start, stop in itertools.pairwise(edges)]


def normalised(images_BCHW: Tensor, preprocess: Preprocess) -> Tensor:
    """Return (x - mean) / std in the channels of `preprocess`: one becomes many by repetition, three one by luminance."""
    num_channels = preprocess.num_channels
    if images_BCHW.shape[1] == 3 and num_channels == 1:
        images_BCHW = luminance(images_BCHW)
    mean_C11, std_C11 = (
        torch.tensor(values, dtype=torch.float32, device=images_BCHW.device)[:, None, None]
        for values in (preprocess.mean, preprocess.std)
    )
    return (images_BCHW - mean_C11) / std_C11
