"""An opened image to pixels: what cannot be shown as 8-bit gray or RGB is converted, and the conversion is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from xzoo.data.items import Decoded

LONGEST_SHORT_SIDE = 512
NOTES: Mapping[str, str] = {
    "alpha": "transparency composited over black",
    "opaque-alpha": "alpha channel without transparency dropped",
    "cmyk": "CMYK converted to RGB",
    "palette": "palette converted to RGB",
    "one-bit": "one bit per pixel widened to 0 and 255",
    "colour-space": "another colour space converted to RGB",
    "float": "floats in [0, 1] scaled to 0-255",
    "16-bit-colour": "16 bits per colour channel cut to their high 8",
    "orientation": "turned as the EXIF orientation says",
    "frames": "the first of several frames used",
    "gray": "three equal channels kept as one",
    "reduced": f"shorter side over {LONGEST_SHORT_SIDE} pixels reduced to it, antialiased",
}
"""What is said of images that were converted, by the name that `Decoded.notes` carries."""

DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
_ORIENTATION = 0x0112


def pixels_of(image: Image.Image) -> Decoded:
    """Return an opened image's pixels, turned upright. Raises what Pillow's decoders do, ValueError for values without a rule."""
    notes = []
    # n_frames would walk through all of them, which a file of a million empty ones makes endless.
    if getattr(image, "is_animated", False):
        notes.append("frames")
    if "16" in str([tile.args for tile in getattr(image, "tile", [])]) and image.mode not in DEEP_MODES:
        notes.append("16-bit-colour")
    if image.getexif().get(_ORIENTATION, 1) in range(2, 9):
        notes.append("orientation")
    upright = ImageOps.exif_transpose(image)
    pixels, note = _plain(upright)
    return Decoded(pixels, tuple(notes) + ((note,) if note else ()))


def _plain(image: Image.Image) -> tuple[NDArray[Any], str]:
    mode = image.mode
    if mode in {"L", "RGB"} and "transparency" not in image.info:
        return np.asarray(image), ""
    if mode in DEEP_MODES:
        return _deep(np.asarray(image)), ""
    if mode == "F":
        return _scaled(np.asarray(image)), "float"
    if mode == "1":
        return np.asarray(image.convert("L")), "one-bit"
    if mode in {"LA", "La", "RGBA", "RGBa", "PA"} or "transparency" in image.info:
        return _composited(image)
    note = {"P": "palette", "CMYK": "cmyk"}.get(mode, "colour-space")
    return np.asarray(image.convert("RGB")), note


def _deep(values: NDArray[Any]) -> NDArray[np.uint16]:
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(f"its values range from {values.min()} to {values.max()}, beyond 16 bits")
    return values.astype(np.uint16)


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinite values")
    if values.min() < 0 or values.max() > 1:
        raise ValueError(f"its floats range from {values.min():g} to {values.max():g}, and xzoo reads floats in [0, 1]")
    scaled: NDArray[np.uint8] = np.rint(values * 255).astype(np.uint8)
    return scaled


def _composited(image: Image.Image) -> tuple[NDArray[Any], str]:
    grey = image.mode in {"L", "LA", "La"}
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        note = "palette" if image.mode == "P" else "opaque-alpha"
        return np.asarray(image.convert("L" if grey else "RGB")), note
    ground = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
    return np.asarray(Image.alpha_composite(ground, rgba).convert("L" if grey else "RGB")), "alpha"
