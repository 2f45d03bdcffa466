"""Writes a view's files: every image at one size, one after the other, in shards."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xzoo import durable
from xzoo.data import parts, shards
from xzoo.data.packing import each
from xzoo.data.resize import fitted
from xzoo.data.shards import name_of


def shards_of(num_images: int, row_shape: tuple[int, ...]) -> Sequence[int]:
    """Return the bytes of each shard of so many images of one shape (C,H,W)."""
    row_bytes = math.prod(row_shape)
    most = max(1, shards.SHARD_BYTES // row_bytes)
    return [row_bytes * (min(first + most, num_images) - first) for first in range(0, num_images, most)]


def write_view(
    image: Callable[[int], NDArray[np.uint8]],
    num_images: int,
    folder: Path,
    row_shape: tuple[int, ...],
    interpolation: str,
    resize: int | None,
    stays: Callable[[], bool],
) -> None:
    """Fit every `image` (H,W,C) to (C,H,W), unless by then a view stands there that `stays`.

    Shards that an interrupted call left whole are not made again. Raises StorageError.
    """

    def fit(index: int) -> NDArray[np.uint8]:
        return fitted(image(index), (row_shape[1], row_shape[2]), row_shape[0], interpolation, resize)

    sizes, row_bytes = shards_of(num_images, row_shape), math.prod(row_shape)
    with durable.new_folder(folder, stays) as temporary:
        num_kept = len(list(parts.taken(folder, temporary)))
        rest = each(fit, range(sum(sizes[:num_kept]) // row_bytes, num_images))
        with contextlib.closing(rest):
            for number, size in list(enumerate(sizes))[num_kept:]:
                with durable.fill_file(temporary / name_of(number), size) as file:
                    for _ in range(size // row_bytes):
                        file.write(np.ascontiguousarray(next(rest)).data)
                if number + 1 < len(sizes):
                    parts.keep(folder, temporary, number, {})
    parts.forget(folder)
