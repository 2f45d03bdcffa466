"""Batches of normalised images, in an order that is a pure function of (seed, epoch)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data.augment import changed, luminance, parameters, parse
from xzoo.data.feed import gathered, spread, uploaded
from xzoo.data.order import Blocks, shuffled
from xzoo.data.pack import Pack, View
from xzoo.data.resident import images_on
from xzoo.data.share import WHOLE, Share
from xzoo.errors import UsageError
from xzoo.zoo.spec import Preprocess

# N = images of the view, B = images in a batch, C = channels, H, W = pixels


@dataclass(frozen=True, eq=False)
class Batches:
    """The images of a split as batches. `indices` are places in the view and in `labels_N`.

    With `views` K above 0 epoch e is augmented as epoch e mod K: an image comes in K forms and no more. Work on one `pack`
    shares the images that epochs have brought to a CUDA device; without it they come batch by batch. With `blocks` an epoch's
    order is drawn by them. Of an epoch's batches the images of this process's `share` come alone, and the labels of all.
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
    pack: Pack | None = None
    blocks: Blocks | None = None
    share: Share = WHOLE

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

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the indices (N,) in an epoch's order."""
        return shuffled(self.indices, self.seed, epoch, self.blocks)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (B,C,H,W) float32 and labels (B,) int64 in the epoch's order, augmented, from batch number `start` on."""
        number = epoch % self.views if self.views else epoch
        return self._batches(self.order(epoch), self.augment, number, is_training=True, start=start)

    def ordered(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the same batches in the order of `indices`, without augmentation."""
        return self._batches(self.indices, "none", 0, is_training=False)

    def _batches(
        self, order_N: NDArray[np.int64], augment: str, number: int, *, is_training: bool, start: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        # What differs from batch to batch is brought to the device at once: the device waits for no batch's own small copies.
        parts, policy = chunks(order_N, self.batch_size), parse(augment)
        seen = [(self.share if is_training else WHOLE).seen(len(part)) for part in parts][start:]
        height, width = self.view.pixels_NCHW.shape[2:]
        changes = spread(parameters(policy, self.seed, number, order_N, height / width), parts, self.device)[start:]
        labels = labels_of(self.labels_N, order_N, parts, self.device)[start:]
        mean_C11, std_C11 = scale(self.preprocess, self.device)
        held_NCHW = None if self.pack is None else images_on(self.pack, self.view, self.device, bring=is_training)
        places = [part[own] for part, own in zip(parts[start:], seen, strict=True)]
        pixels = gathered(self.view.pixels_NCHW, places, self.device, held_NCHW)
        for pixels_BCHW, labels_B, changes_B9, own in zip(pixels, labels, changes, seen, strict=True):
            images_BCHW = changed(pixels_BCHW.to(torch.float32).div_(255), policy, changes_B9[own])
            images_BCHW = (in_channels(images_BCHW, self.preprocess) - mean_C11) / std_C11
            if self.channels_last:
                images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)
            yield images_BCHW, labels_B


def chunks(order: NDArray[np.int64], batch_size: int) -> Sequence[NDArray[np.int64]]:
    """Return an order cut into batches; a last batch of one image joins the one before it, since batch norm needs two."""
    edges = [*range(0, len(order), batch_size), len(order)]
    if len(edges) > 2 and edges[-1] - edges[-2] == 1:
        del edges[-2]
    return [order[start:stop] for start, stop in itertools.pairwise(edges)]


def at_once(batch_size: int, device: str) -> int:
    """Return how many images may be in a batch that is only looked at: more on CUDA, which waits for launches otherwise."""
    return 4 * batch_size if device.startswith("cuda") else batch_size


def labels_of(
    labels_N: NDArray[np.int64], order_N: NDArray[np.int64], parts: Sequence[NDArray[np.int64]], device: str
) -> Sequence[Tensor]:
    """Return the labels of the images in `order_N` on the device, cut as the order is cut into `parts`."""
    return spread(torch.from_numpy(labels_N[order_N].astype(np.int64)), parts, device)


def normalised(images_BCHW: Tensor, preprocess: Preprocess) -> Tensor:
    """Return (x - mean) / std in the channels of `preprocess`: one becomes many by repetition, three one by luminance."""
    mean_C11, std_C11 = scale(preprocess, str(images_BCHW.device))
    return (in_channels(images_BCHW, preprocess) - mean_C11) / std_C11


def in_channels(images_BCHW: Tensor, preprocess: Preprocess) -> Tensor:
    """Return what mean and deviation go with: luminance where three channels become one; one becomes many by itself."""
    return luminance(images_BCHW) if images_BCHW.shape[1] == 3 and preprocess.num_channels == 1 else images_BCHW


def scale(preprocess: Preprocess, device: str) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each channel (C,1,1), on the device."""
    mean_C, std_C = (torch.tensor(values, dtype=torch.float32) for values in (preprocess.mean, preprocess.std))
    return uploaded(mean_C[:, None, None], device), uploaded(std_C[:, None, None], device)
