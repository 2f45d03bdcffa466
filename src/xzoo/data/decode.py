"""One image file to pixels: what cannot be shown as 8-bit gray or RGB is converted, and the conversion is named."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from xzoo.data.items import Decoded
from xzoo.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
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

_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "I;16N"}
_ORIENTATION = 0x0112


class UnreadableImageError(DataError):
    """One image that cannot be decoded; `name` is its file, `reason` why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be read as an image: {reason}", "replace the file or take it out of the dataset")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableImageError], tuple[str, str]]:
        return type(self), (self.name, self.reason)


class UnreadableImagesError(DataError):
    """Images of one dataset that cannot be decoded; `images` holds the error of each."""

    def __init__(self, text: str, remedy: str, images: tuple[UnreadableImageError, ...] = ()) -> None:
        super().__init__(text, remedy)
        self.images = images


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files, read by their place in the list."""

    paths: tuple[Path, ...]
    ids: tuple[str, ...]

    def decode(self, index: int) -> Decoded:
        """Return the pixels as uint8, or uint16 where the file holds 16 bits. Raises UnreadableImageError."""
        return decode(self.paths[index], self.ids[index])

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return uint8 pixels; 16 bits are scaled by the range of all files together. Raises UnreadableImageError."""
        return to_uint8(self.decode(index).pixels, self._deep_range)

    def digest(self, index: int) -> str:
        """Return the sha256 of the file's bytes, and nothing where it cannot be read: decoding will say so."""
        try:
            with self.paths[index].open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return ""

    @cached_property
    def _deep_range(self) -> int:
        return deep_range(max((int(self.decode(i).pixels.max()) for i in range(len(self.paths)) if self._is_deep(i)), default=0))

    def _is_deep(self, index: int) -> bool:
        with Image.open(self.paths[index], formats=FORMATS) as image:
            return image.mode in _DEEP_MODES


def decode(path: Path, name: str) -> Decoded:
    """Return an image file's pixels, turned upright. Raises UnreadableImageError with `name` and the reason."""
    try:
        if not path.stat().st_size:
            raise UnreadableImageError(name, "it has no bytes")
        with Image.open(path, formats=FORMATS) as image:
            return _pixels(image)
    except (UnreadableImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(name, f"it is none of {', '.join(FORMATS)}, or is cut off") from None
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(name, f"it is suspiciously large ({error})") from None
    except Exception as error:  # Pillow's decoders raise whatever broken bytes lead them to.
        raise UnreadableImageError(name, getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silence Pillow's warnings about odd but readable files; to be entered by one thread, around all others."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def deep_range(largest: int) -> int:
    """Return the value that becomes 255: 255, 4095 (12 bits) or 65535, the first that holds the dataset's largest value."""
    return next(full for full in (255, 4095, 65535) if largest <= full)


def to_uint8(pixels: NDArray[Any], full: int) -> NDArray[np.uint8]:
    """Return uint8 pixels as they are and uint16 ones as round(x * 255 / full)."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) * 255 + full // 2) // full).astype(np.uint8)


def _pixels(image: Image.Image) -> Decoded:
    notes = []
    if getattr(image, "n_frames", 1) > 1:
        notes.append("frames")
    if "16" in str([tile.args for tile in getattr(image, "tile", [])]) and image.mode not in _DEEP_MODES:
        notes.append("16-bit-colour")
    # A JPEG far larger than the pack keeps is decoded at a fraction of its size, still twice what is kept.
    image.draft(image.mode, (2 * LONGEST_SHORT_SIDE, 2 * LONGEST_SHORT_SIDE))
    if image.getexif().get(_ORIENTATION, 1) in range(2, 9):
        notes.append("orientation")
    upright = ImageOps.exif_transpose(image)
    pixels, note = _plain(upright)
    return Decoded(pixels, tuple(notes) + ((note,) if note else ()))


def _plain(image: Image.Image) -> tuple[NDArray[Any], str]:
    mode = image.mode
    if mode in {"L", "RGB"} and "transparency" not in image.info:
        return np.asarray(image), ""
    if mode in _DEEP_MODES:
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
