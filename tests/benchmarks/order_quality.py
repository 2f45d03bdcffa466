"""How far an order by blocks is from a full shuffle, of images that lie in the order of their classes, the worst case.

    python tests/benchmarks/order_quality.py [IMAGES]

Prints a table: the correlation of an image's place in the file with its place in the epoch, pairs of a batch that come from one
block, and the deviation of a class's share from batch to batch and from window to window, each beside the full shuffle's; as many
batches in a row as a window has. Batches are of 32 images of 96 pixels and one channel; figures are means over 5 seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xzoo.data.order import blocks_of, shuffled

BATCH, IMAGE_BYTES, SEEDS = 32, 96 * 96, 5


def deviation(labels_N: NDArray[np.int64], size: int, num_classes: int) -> float:
    """Return the root mean square deviation of a class's share in consecutive parts of so many images, against its share."""
    num_parts = len(labels_N) // size
    parts = labels_N[: num_parts * size].reshape(num_parts, size)
    counts_PK = np.stack([np.bincount(part, minlength=num_classes) for part in parts]) / size
    return float(np.sqrt(((counts_PK - np.bincount(labels_N, minlength=num_classes) / len(labels_N)) ** 2).mean()))


def same_block(order_N: NDArray[np.int64], images: int) -> float:
    """Return the share of a batch's pairs that come from one block of so many images."""
    blocks = np.sort(order_N[: len(order_N) // BATCH * BATCH].reshape(-1, BATCH) // images, axis=1)
    pairs = 0.0
    for batch in blocks:
        count = np.unique(batch, return_counts=True)[1]
        pairs += float((count * (count - 1)).sum())
    return pairs / (len(blocks) * BATCH * (BATCH - 1))


def rows(num_images: int) -> Iterator[str]:
    """Yield the table's lines."""
    blocks = blocks_of("blocks", num_images, IMAGE_BYTES)
    assert blocks is not None
    window = blocks.images * blocks.window
    yield f"{num_images:,} images: blocks of {blocks.images}, {blocks.window:,} at a time, {window:,} images"
    yield "| figure | by blocks | full shuffle |\n|---|---|---|"
    every = np.arange(num_images)
    orders = [[shuffled(every, seed, 0, how) for seed in range(SEEDS)] for how in (blocks, None)]
    told = [[abs(float(np.corrcoef(order, every)[0, 1])) for order in kind] for kind in orders]
    yield line("correlation of places, absolute", told)
    yield line("pairs of a batch from one block", [[same_block(order, blocks.images) for order in kind] for kind in orders])
    for num_classes in (2, 1000):
        labels_N = every * num_classes // num_images
        for name, size in (("batch", BATCH), ("window", window)):
            told = [[deviation(labels_N[order], size, num_classes) for order in kind] for kind in orders]
            yield line(f"deviation of a class's share, {num_classes:,} classes, by {name}", told)


def line(name: str, told: list[list[float]]) -> str:
    """Return a line of the table."""
    return f"| {name} | {' | '.join(f'{np.mean(one):.2g}' for one in told)} |"


if __name__ == "__main__":
    for text in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000):
        print(text)
