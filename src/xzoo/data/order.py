"""The order in which an epoch takes images: all of them shuffled, or by blocks of neighbours, where they do not fit the memory.

N = images
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xzoo.data.drawing import generator

WHOLE_BYTES = 4 << 30
"""Images at the network's size that take more in all are shuffled by blocks: a machine of 8 GB keeps less in memory."""

BLOCK_BYTES = 128 << 10
"""What a disk reads in one go: as much as the kernel's own read-ahead."""

WINDOW_BYTES = 256 << 20
"""What lies in memory at a time and is shuffled fully."""


@dataclass(frozen=True)
class Blocks:
    """So many `images` that are neighbours in the file make a block; a `window` of blocks, drawn anywhere, is shuffled as one."""

    images: int
    window: int

    @property
    def told(self) -> str:
        """What a result says of it."""
        return f"order by blocks: {self.window} blocks of {self.images} neighbours, drawn in every epoch, are shuffled as one"


def blocks_of(how: str, num_images: int, image_bytes: int) -> Blocks | None:
    """Return the blocks of images of one size, None where all are shuffled. `how` is full, blocks, or auto: by their bytes."""
    if how == "full" or (how == "auto" and num_images * image_bytes <= WHOLE_BYTES):
        return None
    images = max(1, BLOCK_BYTES // image_bytes)
    return Blocks(images, max(2, WINDOW_BYTES // (images * image_bytes)))


def shuffled(indices: NDArray[np.int64], seed: int, epoch: int, blocks: Blocks | None = None) -> NDArray[np.int64]:
    """Return the indices in an epoch's order, a pure function of its arguments."""
    if blocks is None:
        return generator(f"order {seed} {epoch}").permutation(indices)
    random = generator(f"order {seed} {epoch} {blocks.images} {blocks.window}")
    found, block_N = np.unique(indices // blocks.images, return_inverse=True)
    window_N = random.permutation(len(found))[block_N] // blocks.window
    return indices[np.lexsort((random.random(len(indices)), window_N))]
