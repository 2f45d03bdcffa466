"""Archives of arrays that lie: each made by a function of the path to write, with what the message must say."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

Make = Callable[[Path], Any]
Lie = tuple[Make, str]


def array(shape: tuple[int, ...] = (8, 8, 8)) -> Any:
    """Return images of noise (N,H,W)."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def npy_bytes(values: Any) -> bytes:
    """Return an array as numpy writes it."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=True)
    return file.getvalue()


def claiming(shape: str = "(8, 8, 8)", kind: str = "'|u1'", order: str = "False", data: bytes = bytes(512)) -> bytes:
    """Return a .npy file whose header says what is given, and these bytes behind it."""
    head = f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return npy.magic(1, 0) + struct.pack("<H", len(head)) + head + data


def zipped(*members: tuple[str, bytes], **options: Any) -> bytes:
    """Return an archive of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def sound(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive that can be read."""
    members = ("images.npy", npy_bytes(array())), ("labels.npy", npy_bytes(np.arange(8) % 2))
    return zipped(*members, compression=compression)


def patched(data: bytes, entry: int, offset: int, form: str, value: int, *, local: bool = False) -> bytes:
    """Return an archive with a field of a member's entry in the list of members, or of its own header, changed."""
    out, place = bytearray(data), -1
    for _ in range(entry + 1):
        place = data.index(b"PK\x03\x04" if local else b"PK\x01\x02", place + 1)
    struct.pack_into(form, out, place + offset, value)
    return bytes(out)


def with_image(data: bytes) -> bytes:
    """Return an archive whose images are these bytes."""
    return zipped(("images.npy", data), ("labels.npy", npy_bytes(np.arange(8) % 2)), compression=zipfile.ZIP_DEFLATED)


def overlapping() -> bytes:
    """Return an archive whose two members are the same bytes, so that each counts twice."""
    data = sound(zipfile.ZIP_STORED)
    first = struct.unpack_from("<I", data, data.index(b"PK\x01\x02") + 42)[0]
    return patched(data, 1, 42, "<I", first)


def written(data: bytes) -> Make:
    """Return what writes these bytes."""
    return lambda path: path.write_bytes(data)


_NESTED = b"(" * 3000 + b")" * 3000
NPY: Mapping[str, Lie] = {
    "a trillion images": (written(claiming("(1000000000000, 8, 8)")), "its header speaks of 64,000,000,000,000 bytes"),
    "a size that wraps": (written(claiming("(4294967296, 4294967296, 1)")), "its header speaks of"),
    "a negative size": (written(claiming("(-8, 8, 8)")), "cannot be read"),
    "a size in words": (written(claiming("('8', 8, 8)")), "cannot be read"),
    "no shape": (written(claiming("None")), "cannot be read"),
    "brackets": (written(claiming(_NESTED.decode())), "cannot be read"),
    "code": (written(claiming("__import__('os').system('touch canary')")), "cannot be read"),
    "objects": (written(claiming(kind="'|O'")), "Python objects"),
    "fields": (written(claiming(kind="[('a', '|O'), ('b', '<i8')]")), "Python objects"),
    "numbers": (written(claiming(kind="[('a', '<i8')]")), "cannot be read"),
    "no type": (written(claiming(kind="'|z9'")), "cannot be read"),
    "no header": (written(b"\x93NUMPY\x01\0"), "cannot be read"),
    "a header of a gigabyte": (written(b"\x93NUMPY\x02\0\xff\xff\xff\x3f{"), "cannot be read"),
    "another version": (written(b"\x93NUMPY\x03\0" + claiming()[8:]), "version 3.0"),
    "a version to come": (written(b"\x93NUMPY\x63\0" + claiming()[8:]), "cannot be read"),
    "a pickle": (written(b"cos\nsystem\n(S'touch canary'\ntR."), "cannot be read"),
    "an image": (written(b"\x89PNG\r\n\x1a\n"), "cannot be read"),
}
NPZ: Mapping[str, Lie] = {
    "no archive": (written(b"hello"), "cannot be read"),
    "cut": (written(sound()[:300]), "cannot be read"),
    "half a list": (written(sound()[:-30]), "cannot be read"),
    "encrypted": (written(patched(sound(), 0, 8, "<H", 1)), "is encrypted"),
    "packed as bzip2": (
        written(zipped(("images.npy", npy_bytes(array())), compression=zipfile.ZIP_BZIP2)),
        "in a way that numpy does not write",
    ),
    "packed as LZMA": (
        written(zipped(("images.npy", npy_bytes(array())), compression=zipfile.ZIP_LZMA)),
        "in a way that numpy does not write",
    ),
    "a size too large": (written(patched(sound(), 0, 24, "<I", 0xFFFFFFF0)), "cannot unpack to"),
    "a size too small": (written(patched(sound(), 0, 24, "<I", 100)), "cannot be read"),
    "a checksum": (written(patched(sound(zipfile.ZIP_STORED), 0, 16, "<I", 1)), "cannot be read"),
    "members that share bytes": (written(overlapping()), "cannot be read"),
    "a place beyond its end": (written(patched(sound(), 0, 42, "<I", 0x7FFFFFFF)), "cannot be read"),
    "a packed size beyond its end": (written(patched(sound(), 0, 20, "<I", 0x7FFFFFFF)), "beyond its end"),
    "another name in its own header": (
        written(patched(sound(), 0, 30, "<I", 0x41414141, local=True)),
        "cannot be read",
    ),
    "zip64 of everything": (
        written(patched(patched(sound(), 0, 24, "<I", 0xFFFFFFFF), 0, 20, "<I", 0xFFFFFFFF)),
        "cannot be read",
    ),
    "a name twice": (
        written(zipped(("images.npy", npy_bytes(array())), ("images", npy_bytes(array())))),
        "two members called images",
    ),
    "a trillion images": (written(with_image(claiming("(1000000000000, 8, 8)"))), "its header speaks of"),
    "fewer than it says": (written(with_image(claiming("(9, 8, 8)"))), "its header speaks of"),
    "more than it says": (written(with_image(claiming("(7, 8, 8)"))), "its header speaks of"),
    "objects": (written(with_image(claiming(kind="'|O'"))), "Python objects"),
    "a pickle": (written(with_image(b"cos\nsystem\n(S'touch canary'\ntR.")), "cannot be read"),
    "an archive inside": (written(with_image(sound())), "cannot be read"),
    "a text": (written(with_image(b"hello")), "cannot be read"),
    "labels that are no text": (
        written(zipped(("images.npy", npy_bytes(array())), ("labels.npy", npy_bytes(np.array([b"\xff\xfe"] * 8))))),
        "no UTF-8",
    ),
    "labels without end": (
        written(zipped(("images.npy", npy_bytes(array())), ("labels.npy", npy_bytes(np.full(8, 1e300))))),
        "no whole numbers",
    ),
}
