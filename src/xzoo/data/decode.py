"""Image files as a dataset reads them: decoded, hashed, and 16 bits scaled alike for all of them."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from xzoo import regular
from xzoo.data import apart
from xzoo.data.image_file import UnreadableImageError, read_image
from xzoo.data.items import Decoded
from xzoo.data.modes import DEEP_MODES, LONGEST_SHORT_SIDE, NOTES
from xzoo.errors import DataError

__all__ = [
    "LONGEST_SHORT_SIDE",
    "NOTES",
    "SUFFIXES",
    "ImageFiles",
    "UnreadableImageError",
    "UnreadableImagesError",
    "decode",
    "deep_range",
    "quietly",
    "to_uint8",
]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"})
_DEEP_FORMATS = ("PNG", "TIFF")


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
            with regular.open_file(self.paths[index]) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return ""

    @cached_property
    def _deep_range(self) -> int:
        return deep_range(max((int(self.decode(i).pixels.max()) for i in range(len(self.paths)) if self._is_deep(i)), default=0))

    def _is_deep(self, index: int) -> bool:
        with regular.open_file(self.paths[index]) as file:
            try:
                return Image.open(file, formats=_DEEP_FORMATS).mode in DEEP_MODES
            except UnidentifiedImageError:
                return False


def decode(path: Path, name: str) -> Decoded:
    """Return an image file's pixels, turned upright. Raises UnreadableImageError with `name` and the reason."""
    return read_image(path, name, apart.decode)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silence Pillow's warnings about odd but readable files, and end at last the processes that decoded some.

    To be entered by one thread, around all others.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            yield
        finally:
            apart.release()


def deep_range(largest: int) -> int:
    """Return the value that becomes 255: 255, 4095 (12 bits) or 65535, the first that holds the dataset's largest value."""
    return next(full for full in (255, 4095, 65535) if largest <= full)


def to_uint8(pixels: NDArray[Any], full: int) -> NDArray[np.uint8]:
    """Return uint8 pixels as they are and uint16 ones as round(x * 255 / full)."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) * 255 + full // 2) // full).astype(np.uint8)
