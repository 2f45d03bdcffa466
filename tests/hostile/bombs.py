"""Images that are small on disk and ask for much, and files that are none: each made by a function of the path to write."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Make = Callable[[Path], Any]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(form: str, shape: tuple[int, ...] = (32, 32), **options: Any) -> bytes:
    """Return a sound image of noise in a format."""
    pixels = np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format=form, **options)
    return file.getvalue()


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (16, 16), depth: int = 8, kind: int = 0) -> bytes:
    """Return a PNG of black pixels with further chunks before them. Its size is only claimed where it is over 4096."""
    head = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    rows = zlib.compress(bytes((size[0] + 1) * min(size[1], 4096)) if max(size) <= 4096 else b"\0" * 100)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", rows), (b"IEND", b"")]
    return _SIGNATURE + b"".join(chunk(*part) for part in parts)


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a PNG's chunk with its checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def many_scans(number: int, shape: tuple[int, ...] = (64, 64)) -> bytes:
    """Return a progressive JPEG whose last scan comes so many times."""
    sound = encoded("JPEG", shape, progressive=True)
    last = sound.rindex(b"\xff\xda")
    return sound[:last] + sound[last:-2] * number + sound[-2:]


def jpeg_of(width: int, height: int, **options: Any) -> bytes:
    """Return a JPEG that claims another size than it has."""
    sound = bytearray(encoded("JPEG", **options))
    place = next(place for marker in (b"\xff\xc0", b"\xff\xc2") if (place := sound.find(marker)) > 0)
    sound[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(sound)


def tiff(*tags: tuple[int, int, int, int], next_at: int = 0, pixels: bytes = bytes(256)) -> bytes:
    """Return a raw TIFF of 16 x 16 pixels, with tags (number, type, count, value) that replace its own."""
    own = {
        256: (3, 1, 16),
        257: (3, 1, 16),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 8),
        277: (3, 1, 1),
        278: (3, 1, 16),
        279: (4, 1, len(pixels)),
    }
    own.update({number: (kind, count, value) for number, kind, count, value in tags})
    entries = b"".join(struct.pack("<HHII", number, *own[number]) for number in sorted(own))
    place = 8 + len(pixels)
    return b"II*\0" + struct.pack("<I", place) + pixels + struct.pack("<H", len(own)) + entries + struct.pack("<I", next_at)


def many_pages(number: int) -> bytes:
    """Return a TIFF with so many directories behind the first, which walking through them all compares with each other."""
    first = tiff()
    one = struct.pack("<HHHII", 1, 256, 3, 1, 1)
    places = [len(first) + place * (len(one) + 4) for place in range(number)]
    rest = b"".join(one + struct.pack("<I", after) for after in [*places[1:], 0])
    return first[:-4] + struct.pack("<I", places[0]) + rest


def many_frames(number: int) -> bytes:
    """Return a GIF with so many frames of one pixel."""
    image = struct.pack("<BHHHHB", 0x2C, 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + image * number + b";"


def gif(width: int, height: int) -> bytes:
    """Return a GIF of one frame that claims this size."""
    frame = struct.pack("<BHHHHB", 0x2C, 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame + b";"


def webp(width: int, height: int) -> bytes:
    """Return a WebP whose canvas claims this size."""
    flags = struct.pack("<I", 2) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + flags + b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bmp(width: int, height: int, bits: int = 24, compression: int = 0, data: bytes = b"") -> bytes:
    """Return a bitmap that claims this size."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + head + data


def written(data: bytes | Callable[[], bytes]) -> Make:
    """Return what writes these bytes; those of a function are made when they are needed."""
    return lambda path: path.write_bytes(data if isinstance(data, bytes) else data())


def socket_at(path: Path) -> None:
    """Make a socket. The name of one must be short, so it is made from within its folder."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)


BOMBS: Mapping[str, tuple[Make, str]] = {
    "one-bit.png": (written(png(size=(20_000, 20_000), depth=1)), "suspiciously large"),
    "claims.png": (written(png(size=(1_000_000, 1_000_000))), "suspiciously large"),
    "wide.png": (written(png(size=(2**31 - 1, 1))), "suspiciously large"),
    "a hundred million.png": (written(png(size=(10_001, 10_000))), "10,001 x 10,000 pixels"),
    "no width.png": (written(png(size=(0, 16))), "none of PNG"),
    "ztxt.png": (written(png((b"zTXt", b"k\0\0" + zlib.compress(bytes(10**7))))), "too large"),
    "itxt.png": (written(png((b"iTXt", b"k\0\x01\0\0\0" + zlib.compress(bytes(10**7))))), "too large"),
    "texts.png": (written(lambda: png(*[(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**6)))] * 70)), "Too much memory"),
    "iccp.png": (written(png((b"iCCP", b"k\0\0" + zlib.compress(bytes(10**8))))), "too large"),
    "scans.jpg": (written(lambda: many_scans(2000)), "scans over its pixels"),
    "large scans.jpg": (written(jpeg_of(13_000, 13_000, progressive=True)), "suspiciously large"),
    "claims.jpg": (written(jpeg_of(65_500, 65_500)), "suspiciously large"),
    "claims.tif": (written(tiff((256, 4, 1, 60_000), (257, 4, 1, 60_000))), "suspiciously large"),
    "strips.tif": (written(tiff((273, 4, 0x7FFFFFFF, 8), (279, 4, 0x7FFFFFFF, 8))), ""),
    "samples.tif": (written(tiff((277, 3, 1, 65_535))), ""),
    "lzw.tif": (written(tiff((256, 4, 1, 60_000), (257, 4, 1, 60_000), (259, 3, 1, 5))), "suspiciously large"),
    "lzw rows.tif": (written(tiff((259, 3, 1, 5), (278, 4, 1, 0xFFFFFFFF), (279, 4, 1, 0xFFFFFFFF))), ""),
    "claims.gif": (written(gif(65_535, 65_535)), "suspiciously large"),
    "claims.webp": (written(webp(16_384, 16_384)), "suspiciously large"),
    "canvas.webp": (written(webp(1 << 24, 255)), "suspiciously large"),
    "claims.bmp": (written(bmp(60_000, 60_000)), "suspiciously large"),
    "negative.bmp": (written(bmp(-(2**31), 1)), ""),
    "upside down.bmp": (written(bmp(16, -(2**31))), "suspiciously large"),
    "rle.bmp": (written(bmp(15_000, 15_000, 8, 1, b"\xff\0" * 100)), "suspiciously large"),
}
"""Each name with what makes it and what the reason must say."""
