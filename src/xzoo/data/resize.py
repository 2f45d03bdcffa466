"""Pixels to the size and channels that a network takes. Pillow's filters are antialiased when they reduce."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xzoo.errors import UsageError

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def check_resize(size: tuple[int, int], interpolation: str, resize: int | None) -> None:
    """Refuse what cannot be done to any image. Raises UsageError."""
    if interpolation not in _FILTERS:
        raise UsageError(f"interpolation {interpolation!r} is unknown", f"use {', '.join(_FILTERS)}")
    if resize is not None and resize < max(size):
        raise UsageError(
            f"a centre crop of {size[0]}x{size[1]} does not fit a shorter side of {resize}", "resize to more, or crop less"
        )


def fitted(
    image_HWC: NDArray[np.uint8], size: tuple[int, int], num_channels: int, interpolation: str, resize: int | None
) -> NDArray[np.uint8]:
    """Return (C,H,W) of `size`: straight to it, or its shorter side to `resize` and the centre cropped.

    Three channels become one by luminance (ITU-R BT.601-7), one becomes three by repetition, both before resizing.
    """
    image = Image.fromarray(image_HWC[..., 0] if image_HWC.shape[-1] == 1 else image_HWC)
    image = image.convert("L" if num_channels == 1 else "RGB")
    if resize is None:
        image = image.resize((size[1], size[0]), _FILTERS[interpolation])
    else:
        image = _centre(image.resize(_shorter(image.size, resize), _FILTERS[interpolation]), size)
    pixels = np.asarray(image)
    return pixels[np.newaxis] if num_channels == 1 else np.moveaxis(pixels, -1, 0)


def reduced(pixels: NDArray[Any], shorter: int) -> NDArray[Any]:
    """Return pixels (H,W) or (H,W,3), uint8 or uint16, whose shorter side is at most `shorter`, by the bicubic filter."""
    height, width = pixels.shape[:2]
    if min(height, width) <= shorter:
        return pixels
    # Pillow has no antialiased filter for 16 bits, so these pass through floats.
    image = Image.fromarray(pixels.astype(np.float32) if pixels.dtype == np.uint16 else pixels)
    smaller = np.asarray(image.resize(_shorter((width, height), shorter), Image.Resampling.BICUBIC))
    return np.rint(smaller.clip(0, 65535)).astype(np.uint16) if pixels.dtype == np.uint16 else smaller


def is_gray(pixels: NDArray[Any]) -> bool:
    """Whether an image has one channel, or three that are equal everywhere."""
    return pixels.ndim == 2 or bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _shorter(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    width, height = size
    scale = shorter / min(width, height)
    return max(shorter, int(width * scale)), max(shorter, int(height * scale))


def _centre(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    top, left = round((image.height - size[0]) / 2), round((image.width - size[1]) / 2)
    return image.crop((left, top, left + size[1], top + size[0]))
