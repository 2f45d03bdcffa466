"""What one image may cost: pixels, passes over them, and seconds of computing. Beyond that it is a bomb, or of no use here."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from PIL import Image

from xzoo import regular

MOST_PIXELS = 100_000_000
"""10,000 x 10,000. A mammogram has 25 million; Pillow itself refuses what has more than 179 million before a byte is decoded."""

MOST_SCANS = 100
"""Passes over a progressive JPEG's pixels: encoders write about ten, and each costs a pass however few bytes it has."""

CPU_SECONDS = 10.0
"""Of computing, so that neither a slow disk nor a busy machine counts. 100 million pixels of PNG take about three."""

_PIXELS_AT_ONCE = MOST_PIXELS
_SCAN = b"\xff\xda"


class CostlyImageError(Exception):
    """An image that costs more than any may."""


class Metered(io.FileIO):
    """A file whose reads fail once the thread has computed too long: decoders in Python, and those fed in parts, end there.

    It lies below the buffer, so that a look at the clock comes with every 8 kB and not with every byte that a decoder asks for.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(path)
        self._seconds = seconds
        self._end = time.thread_time() + seconds

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill the buffer. Raises CostlyImageError."""
        if time.thread_time() > self._end:
            raise CostlyImageError(f"decoding it takes more than {self._seconds:g} s of computing")
        return super().readinto(buffer)


class Share:
    """So many pixels may be decoded at once by all threads together; a larger image is decoded alone."""

    def __init__(self, total: int) -> None:
        self._total = self._left = total
        self._changed = threading.Condition()

    @contextmanager
    def of(self, num_pixels: int) -> Iterator[None]:
        """Wait until so many are free, and hold them for the block."""
        held = min(num_pixels, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= held)
            self._left -= held
        try:
            yield
        finally:
            with self._changed:
                self._left += held
                self._changed.notify_all()


SHARE = Share(_PIXELS_AT_ONCE)


def opened(path: Path) -> io.BufferedReader:
    """Open an image file to be decoded within its time. Raises OSError for what is no file."""
    regular.check(path)
    return io.BufferedReader(Metered(path, CPU_SECONDS))


def check_pixels(image: Image.Image) -> None:
    """Refuse an opened image that declares too many pixels. Raises CostlyImageError."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        most = f"at most {MOST_PIXELS // 10**6} million are read"
        raise CostlyImageError(f"it is suspiciously large: {width:,} x {height:,} pixels, and {most}")


def check_scans(image: Image.Image, file: IO[bytes]) -> None:
    """Refuse a progressive JPEG of too many pixels or scans, all of which are decoded at full size. Raises CostlyImageError."""
    if not image.info.get("progressive"):
        return
    check_pixels(image)
    file.seek(0)
    if (num_scans := file.read().count(_SCAN)) > MOST_SCANS:
        raise CostlyImageError(f"it is suspicious: {num_scans:,} scans over its pixels, and at most {MOST_SCANS} are read")
