"""Small sound images in every format that xzoo reads, in the modes and compressions that take another way through a decoder."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

_WORDS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
"""Numbers at which lengths, offsets and sizes turn over."""

Sample = tuple[str, bytes]


def samples() -> Iterator[Sample]:
    """Yield a name such as `TIFF lzw` and the bytes of an image of it."""
    colour, gray = _pixels(40, 24, 3), _pixels(40, 24)
    frames = [Image.fromarray(_pixels(20, 24) + place) for place in range(3)]
    many: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    chosen: tuple[tuple[str, Image.Image, dict[str, Any]], ...] = (
        ("PNG gray", Image.fromarray(gray), {}),
        ("PNG palette", Image.fromarray(colour).quantize(8), {"transparency": 1}),
        ("PNG alpha", Image.fromarray(_pixels(40, 24, 4)), {"exif": exif}),
        ("PNG 16 bits", Image.fromarray(gray.astype(np.uint16) * 257), {}),
        ("PNG several", frames[0], many),
        ("JPEG", Image.fromarray(colour), {"exif": exif}),
        ("JPEG progressive", Image.fromarray(colour), {"progressive": True}),
        ("JPEG CMYK", Image.fromarray(colour).convert("CMYK"), {}),
        ("BMP", Image.fromarray(colour), {}),
        ("BMP one bit", Image.fromarray(gray).convert("1"), {}),
        ("GIF", Image.fromarray(colour).quantize(16), {}),
        ("GIF several", frames[0], many),
        ("TIFF raw", Image.fromarray(colour), {"exif": exif}),
        ("TIFF float", Image.fromarray((gray / 255).astype(np.float32)), {}),
        *((f"TIFF {how}", Image.fromarray(colour), {"compression": how}) for how in _COMPRESSIONS),
        ("TIFF fax", Image.fromarray(gray).convert("1"), {"compression": "group4"}),
        ("TIFF several", frames[0], {**many, "compression": "tiff_lzw"}),
        ("WEBP", Image.fromarray(colour), {"exif": exif}),
        ("WEBP lossless", Image.fromarray(_pixels(40, 24, 4)), {"lossless": True}),
        ("WEBP several", frames[0].convert("RGB"), many),
    )
    for name, image, options in chosen:
        file = io.BytesIO()
        image.save(file, format=name.partition(" ")[0], **options)
        yield name, file.getvalue()


_COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma")


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return the bytes with one to six things changed: bits, bytes, words of 16 or 32 bits, parts cut, doubled or taken out."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        if not out:
            break
        place = rng.randrange(len(out)) if rng.random() < 0.6 else rng.randrange(min(len(out), 64))
        _CHANGES[rng.randrange(len(_CHANGES))](out, place, rng)
    return bytes(out)


def _flip(out: bytearray, place: int, rng: random.Random) -> None:
    out[place] ^= 1 << rng.randrange(8)


def _set(out: bytearray, place: int, rng: random.Random) -> None:
    out[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _word(out: bytearray, place: int, rng: random.Random) -> None:
    order, value = rng.choice("<>"), rng.choice(_WORDS)
    form = "H" if value <= 0xFFFF and rng.random() < 0.5 else "I"
    out[place : place + struct.calcsize(form)] = struct.pack(order + form, value)


def _cut(out: bytearray, place: int, rng: random.Random) -> None:
    if rng.random() < 0.3:
        del out[place:]
    else:
        del out[place : place + rng.randrange(1, 16)]


def _double(out: bytearray, place: int, rng: random.Random) -> None:
    part = out[place : place + rng.randrange(1, 64)]
    out[place:place] = part * rng.choice((1, 1, 2, 50))


_CHANGES = (_flip, _flip, _set, _word, _word, _cut, _double)


def _pixels(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).integers(0, 250, shape, dtype=np.uint8)
