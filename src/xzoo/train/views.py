"""What a frozen body makes of augmented images, K views of each, every view computed once and kept.

N = images, B = images in a batch
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data.batches import Batches, chunks, labels_of
from xzoo.data.share import WHOLE
from xzoo.train import rows
from xzoo.train.boundary import places, words
from xzoo.train.device import Device
from xzoo.train.rows import Placed, Rows


@dataclass(frozen=True, eq=False)
class ViewBatches:
    """Batches of what `compute` makes of augmented images (B,C,H,W): epoch e takes view e mod K, K being `images.views`.

    View k is computed in the batches of epoch k, so that the first K epochs are bit for bit those of a run that keeps nothing.
    `compute` must use no gradients and draw no random numbers; `body` identifies what it rests on besides the images.
    """

    images: Batches
    compute: Callable[[Tensor], Tensor]
    device: Device
    body: str

    @property
    def seed(self) -> int:
        """The seed of the images' order and of their augmentation."""
        return self.images.seed

    @property
    def num_steps(self) -> int:
        """Batches in an epoch."""
        return self.images.num_steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield what was computed (B,...) and labels (B,) in the order of an epoch, from batch number `start` on."""
        images, place_N = self.images, self._places()
        order, parts = images.order(epoch), self._chunks(epoch)
        with self.device.ranks.leader_first(f"view of epoch {epoch}"):
            kept = self.view(epoch % images.views)
        places = [place_N[part[images.share.seen(len(part))]] for part in parts[start:]]
        batches = kept.batches(places, images.device)
        yield from zip(batches, labels_of(images.labels_N, order, parts, images.device)[start:], strict=True)

    def view(self, number: int) -> Rows:
        """Return a view's rows in the order of `images.indices`, from the cache where they are there. Raises StorageError."""
        images = self.images
        about = words(images, images.indices, self.device, self.body)
        return rows.kept(
            ["view", images.augment, images.seed, number, *about], len(images.indices), lambda: self._placed(number), self._detail
        )

    def _detail(self) -> str:
        return getattr(self.compute, "detail", "")

    def _placed(self, number: int) -> Placed:
        place_N = self._places()
        for chunk, (images_BCHW, _) in zip(self._chunks(number), replace(self.images, share=WHOLE).epoch(number), strict=True):
            with self.device.arithmetic():
                computed = self.compute(images_BCHW)
            yield place_N[chunk], computed

    def _chunks(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        images = self.images
        return chunks(images.order(epoch), images.batch_size)

    def _places(self) -> NDArray[np.int64]:
        return places(self.images.indices, len(self.images.labels_N))
