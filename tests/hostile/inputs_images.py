"""Images that cannot be decoded, and what lies in a dataset's folder and is none of them."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from archive_samples import zipped
from bombs import BOMBS, encoded, socket_at
from image_samples import samples
from inputs import Kind, Make, draw, file, link, pipe
from inputs_words import GOOD

_FOLLOW = {"XZOO_FOLLOW_LINKS": "1"}
_SAID = ["images cannot be read", "replace these files or take them out"]
_NONE_OF = "it is none of PNG"
_OTHERS: dict[str, bytes] = {
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n(touch canary) run\nshowpage\n",
    "zip": zipped(("a.png", b"x")),
    "gzip": gzip.compress(b"x" * 1000, mtime=0),
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(100),
    "shell": b"#!/bin/sh\ntouch canary\n",
    "PPM": b"P6 16 16 255 " + bytes(768),
    "XBM": b"#define im_width 16\n#define im_height 16\nstatic char im_bits[] = {" + b"0x00," * 32 + b"};",
    "ICO": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(200),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    "AVIF": b"\0\0\0\x1cftypavif\0\0\0\0mif1avif" + bytes(100),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
    "DICOM": bytes(128) + b"DICM" + bytes(100),
    "NIfTI": b"\x5c\x01\0\0" + bytes(348),
    "MP4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(100),
    "numpy": b"\x93NUMPY\x01\0" + bytes(100),
    "a pickle": b"cos\nsystem\n(S'touch canary'\ntR.",
    "zeros": bytes(4096),
    "a signature alone": b"\x89PNG\r\n\x1a\n",
    "UTF-16": "hello".encode("utf-16"),
    "one byte": b"\x89",
}
_TRUNCATED = (
    ("BMP", 100),
    ("GIF", 60),
    ("TIFF raw", 40),
    ("TIFF tiff_lzw", 60),
    ("TIFF packbits", 60),
    ("TIFF fax", 60),
    ("WEBP", 60),
    ("WEBP lossless", 60),
    ("JPEG progressive", 200),
    ("JPEG CMYK", 400),
    ("PNG palette", 60),
    ("PNG alpha", 90),
)
_SOUND = dict(samples())


def _image(name: str, data: bytes) -> Make:
    return file(f"good/a/{name}", data)


def _bomb(name: str) -> Make:
    return lambda place: BOMBS[name][0](place / "good" / "a" / name)


def _deep(place: Path) -> None:
    (place / "good" / "a" / "/".join("x" * 150)).mkdir(parents=True)


def _linked_folder(place: Path) -> None:
    draw(place / "elsewhere")
    (place / "photos").mkdir()
    for name in "ab":
        (place / "photos" / name).symlink_to(place / "elsewhere" / name)


def _floats(values: float) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((16, 16), values, np.float32)).save(out, format="TIFF")
    return out.getvalue()


def _socket(place: Path) -> None:
    socket_at(place / "socket")
    (place / "good" / "a" / "x.png").symlink_to(place / "socket")


def _archive_of_photos(place: Path) -> None:
    with zipfile.ZipFile(place / "photos.zip", "w") as archive:
        archive.writestr("../../evil.png", encoded("PNG"))


KINDS = [
    *(Kind(f"bomb: {name}", GOOD, 2, [BOMBS[name][1], *_SAID], _bomb(name)) for name in BOMBS),
    *(Kind(f"image: {name} called .png", GOOD, 2, [_NONE_OF, *_SAID], _image("x.png", data)) for name, data in _OTHERS.items()),
    *(
        Kind(
            f"image: {name} cut off",
            GOOD,
            2,
            [f"a/x.{name.split()[0].lower()}", *_SAID],
            _image(f"x.{name.split()[0].lower()}", _SOUND[name][:end]),
        )
        for name, end in _TRUNCATED
    ),
    *(
        Kind(f"image: no bytes called .{suffix}", GOOD, 2, ["it has no bytes", *_SAID], _image(f"x.{suffix}", b""))
        for suffix in ("jpg", "gif", "webp", "tif", "bmp")
    ),
    Kind("image: infinite floats", GOOD, 2, ["NaN or infinite", *_SAID], _image("x.tif", _floats(np.inf))),
    Kind("image: floats of thousands", GOOD, 2, ["from 4096 to 4096", *_SAID], _image("x.tif", _floats(4096))),
    Kind("image: a name of the terminal's codes", GOOD, 2, [r"\x1b]0;x\x07.png", *_SAID], _image("\x1b]0;x\x07.png", b"")),
    Kind("image: a name from right to left", GOOD, 2, [r"\u202egnp.png", *_SAID], _image("\u202egnp.png", b"")),
    Kind("image: a name of C1 codes", GOOD, 2, [r"\x9b31m.png", *_SAID], _image("\x9b31m.png", b"")),
    Kind("image: a name of line separators", GOOD, 2, [r"\u2028.png", *_SAID], _image("a\u2028.png", b"")),
    Kind("image: a name of tabs and returns", GOOD, 2, [r"\t\r.png", *_SAID], _image("\t\r.png", b"")),
    Kind("image: a name of half letters", GOOD, 2, [r"\udc80\udc81.png", *_SAID], _image("\udc80\udc81.png", b"")),
    Kind("folder: a link out of it", GOOD, 2, ["lead out of good", "XZOO_FOLLOW_LINKS"], link("good/a/x.png", "/etc/passwd")),
    Kind("folder: a relative link out of it", GOOD, 2, ["lead out of good: a/x.png -> ../../y"], link("good/a/x.png", "../../y")),
    Kind("folder: a followed link to a text", GOOD, 2, [_NONE_OF], link("good/a/x.png", "/etc/passwd"), variables=_FOLLOW),
    Kind(
        "folder: a followed link to a device", GOOD, 2, ["it is a device"], link("good/a/x.png", "/dev/zero"), variables=_FOLLOW
    ),
    Kind("folder: a followed link to a terminal", GOOD, 2, ["a device"], link("good/a/x.png", "/dev/tty"), variables=_FOLLOW),
    Kind("folder: a followed link to a process", GOOD, 2, _SAID, link("good/a/x.png", "/proc/self/mem"), variables=_FOLLOW),
    Kind(
        "folder: a link to a pipe inside",
        GOOD,
        2,
        ["it is a pipe"],
        lambda place: [pipe("good/a/p")(place), link("good/a/x.png", "p")(place)],
    ),
    Kind("folder: a followed link to a socket", GOOD, 2, ["it is a socket"], _socket, variables=_FOLLOW),
    Kind(
        "folder: a circle of two links",
        GOOD,
        2,
        ["Too many levels"],
        lambda place: [link("good/a/x.png", "y.png")(place), link("good/a/y.png", "x.png")(place)],
    ),
    Kind("folder: 150 folders deep", GOOD, 2, ["more than 100 folders"], _deep),
    Kind("folder: classes that are links", GOOD.replace("good", "photos"), 2, ["photos holds no images"], _linked_folder),
    Kind("folder: itself a pipe", GOOD.replace("good", "pipe"), 2, ["pipe is no dataset"], pipe("pipe")),
    Kind("folder: a dangling link", GOOD.replace("good", "gone"), 2, ["gone does not exist"], link("gone", "nowhere")),
    Kind("folder: a link to itself", GOOD.replace("good", "me"), 2, ["me"], link("me", "me")),
    Kind("folder: an archive of images", GOOD.replace("good", "photos.zip"), 2, ["photos.zip is no dataset"], _archive_of_photos),
    Kind(
        "folder: an archive called .tar",
        GOOD.replace("good", "photos.tar"),
        2,
        ["is no dataset"],
        file("photos.tar", bytes(1024)),
    ),
]
