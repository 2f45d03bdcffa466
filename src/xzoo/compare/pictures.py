"""Images to time with: noise in memory, and files that are decoded, resized and normalised at every call.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from xzoo import durable
from xzoo.data import cache
from xzoo.data.batches import normalised
from xzoo.data.items import counted
from xzoo.data.phantom import Dials, picture
from xzoo.data.unlabelled import Fit, read_batches
from xzoo.train.device import Device
from xzoo.zoo.spec import Preprocess

SIDE = 1024
"""Pixels of the drawn image's side: the size at which public chest radiographs are commonly given away."""

MOST_FILES = 64


@dataclass(eq=False)
class Pictures:
    """Image files, taken in turns; `told` says what they are."""

    paths: Sequence[Path]
    told: str
    _turns: Iterator[Path] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.paths)

    def batch(self, batch: int, preprocess: Preprocess, device: Device) -> Tensor:
        """Return the next images from their files (B,C,H,W), as `xzoo predict` reads them. Raises DataError."""
        files = list(itertools.islice(self._turns, batch))
        [(_, pixels_BCHW)] = read_batches(files, _fit(preprocess), batch)
        floats_BCHW = torch.from_numpy(pixels_BCHW).to(device.kind).float().div_(255)
        return normalised(floats_BCHW, preprocess).contiguous(memory_format=torch.channels_last)

    @staticmethod
    def noise(batch: int, preprocess: Preprocess, device: Device) -> Tensor:
        """Return a batch of normal noise (B,C,H,W) on the device, channels last."""
        draw = torch.Generator().manual_seed(0)
        images_BCHW = torch.randn(batch, preprocess.num_channels, *preprocess.shape, generator=draw)
        return images_BCHW.to(device.kind, memory_format=torch.channels_last)


@contextlib.contextmanager
def pictures(paths: Sequence[Path], preprocess: Preprocess) -> Iterator[Pictures]:
    """Yield the first of these files, at most 64, each tried once; without any, a phantom drawn for the while of the block.

    Raises DataError naming every file that cannot be read, and StorageError.
    """
    if paths:
        used = paths[:MOST_FILES]
        for _ in read_batches(used, _fit(preprocess), len(used)):
            pass
        yield Pictures(used, f"{counted(len(used), 'file')} of yours, in turns, which the system keeps in memory")
        return
    path = cache.root() / f"phantom-{os.getpid()}.jpg"
    buffer = io.BytesIO()
    drawn = Image.fromarray(picture(Dials(size=SIDE), 0))
    drawn.save(buffer, "JPEG", quality=90)
    try:
        durable.write_bytes(path, buffer.getvalue())
        yield Pictures([path], f"a drawn gray JPEG of {SIDE} x {SIDE} pixels, which the system keeps in memory")
    finally:
        durable.remove(path)


def _fit(preprocess: Preprocess) -> Fit:
    return Fit(preprocess.shape, preprocess.num_channels, preprocess.interpolation)
