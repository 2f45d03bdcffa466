"""One image file to pixels in this process, within its limits; what a stranger's bytes lead a decoder to is told in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from xzoo.data import limits
from xzoo.data.items import Decoded
from xzoo.data.modes import LONGEST_SHORT_SIDE, pixels_of
from xzoo.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
_DRAFT = (2 * LONGEST_SHORT_SIDE, 2 * LONGEST_SHORT_SIDE)
_ELSEWHERE = "libtiff"

Elsewhere = Callable[[Path, str], Decoded]


class UnreadableImageError(DataError):
    """One image that cannot be decoded; `name` is its file, `reason` why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be read as an image: {reason}", "replace the file or take it out of the dataset")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableImageError], tuple[str, str]]:
        return type(self), (self.name, self.reason)


def read_image(path: Path, name: str, elsewhere: Elsewhere | None = None) -> Decoded:
    """Return an image file's pixels, turned upright. Raises UnreadableImageError with `name` and the reason.

    What only libtiff or libwebp can decode is handed to `elsewhere`, where that is given: nothing ends them when they hang or
    crash but the end of their process. All other decoders are Pillow's own, or are fed in parts.
    """
    with _told(name), limits.opened(path) as file:
        if not os.fstat(file.fileno()).st_size:
            raise UnreadableImageError(name, "it has no bytes")
        if elsewhere is not None and _is_webp(file):
            return elsewhere(path, name)
        with Image.open(file, formats=FORMATS) as image:
            if elsewhere is not None and any(tile.codec_name == _ELSEWHERE for tile in getattr(image, "tile", ())):
                limits.check_pixels(image)
                return elsewhere(path, name)
            limits.check_scans(image, file)
            # A JPEG far larger than the pack keeps is decoded at a fraction of its size, still twice what is kept.
            image.draft(image.mode, _DRAFT)
            limits.check_pixels(image)
            with limits.SHARE.of(image.width * image.height):
                return pixels_of(image)


def _is_webp(file: IO[bytes]) -> bool:
    head = file.read(12)
    file.seek(0)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except (UnreadableImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(name, f"it is none of {', '.join(FORMATS)}, or is cut off") from None
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(name, f"it is suspiciously large ({error})") from None
    except Exception as error:  # Pillow's decoders raise whatever broken bytes lead them to.
        raise UnreadableImageError(name, reason(error)) from error


def reason(error: BaseException) -> str:
    """Return what an exception says, or its kind where it says nothing."""
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"its bytes are broken or cut off ({told})" if told.startswith("decoder error") else told
