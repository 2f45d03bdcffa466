"""What an answer rests on, drawn over its image: a class activation map as colour, in a PNG for each image.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from xzoo import durable
from xzoo.evaluate.cam import class_maps
from xzoo.evaluate.deployed import Deployed

_MOST_COVER = 0.6
_LONGEST_NAME = 60


Answered = tuple[Sequence[Path], NDArray[np.uint8], NDArray[np.float64]]
"""Paths, their pixels (B,C,H,W) and their probabilities (B,K)."""


def pictured(model: Deployed, batches: Iterable[Answered], folder: Path) -> Iterator[tuple[Path, NDArray[np.float64], str]]:
    """Yield each path, its probabilities and its picture's file; the folder is put in place whole, when all are done.

    Raises UsageError for a network without a layer to look at, StorageError.
    """
    place = 0
    with durable.new_folder(folder) as made:
        for paths, pixels_BCHW, rows_BK in batches:
            for path, row_K, content in zip(paths, rows_BK, _overlays(model, paths, pixels_BCHW, rows_BK), strict=True):
                name = name_of(place, path)
                durable.fill_bytes(made / name, content)
                place += 1
                yield path, row_K, str(folder / name)


def _overlays(
    model: Deployed, paths: Sequence[Path], pixels_BCHW: NDArray[np.uint8], rows_BK: NDArray[np.float64]
) -> Iterator[bytes]:
    """Yield a PNG for each image with the Grad-CAM of its most probable class, relative to its own maximum."""
    device = next(iter(model.network.parameters())).device
    maps = class_maps(model, torch.from_numpy(pixels_BCHW).to(device), rows_BK.argmax(1).tolist())
    for path, target, pixels_CHW, row_K, share_HW in zip(
        paths, maps.targets, pixels_BCHW, rows_BK, maps.relative().numpy(), strict=True
    ):
        text = f"{shown(path)}: {target}, probability {row_K.max():.6f}"
        yield _png(drawn(pixels_CHW, share_HW), {"Description": text, "Software": f"xzoo, Grad-CAM at {maps.layer.path}"})


def shown(path: Path) -> str:
    """Return a path as text: a file's name may hold bytes that are none, which JSON cannot bear."""
    return os.fspath(path).encode(errors="backslashreplace").decode()


def drawn(pixels_CHW: NDArray[np.uint8], share_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return an image (H,W,3) under colours that go from nothing through red and yellow to white as the share goes to 1."""
    image_HW3 = np.broadcast_to(np.moveaxis(pixels_CHW, 0, -1), (*share_HW.shape, 3)).astype(np.float32)
    ramps = [np.clip(3 * share_HW - step, 0, 1) for step in range(3)]
    cover_HW1 = (_MOST_COVER * np.clip(3 * share_HW, 0, 1))[..., None]
    return np.rint((1 - cover_HW1) * image_HW3 + cover_HW1 * 255 * np.stack(ramps, -1)).astype(np.uint8)


def name_of(place: int, path: Path) -> str:
    """Return a file name that no other image of the call has, in letters that every system can keep."""
    return f"{place + 1:05d}-{re.sub(r'[^A-Za-z0-9._-]+', '-', path.stem)[:_LONGEST_NAME]}.png"


def _png(image_HW3: NDArray[np.uint8], told: dict[str, str]) -> bytes:
    info = PngInfo()
    for name, text in told.items():
        info.add_itxt(name, text)
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
