"""Weights files written byte by byte, so that each of their claims can be a lie."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Write = Callable[[Path, Path], object]
"""Writes an attack to the first path; its code, if any, would make the second, the canary."""
Files = dict[str, tuple[str, Write]]
"""The name of an attack, to what its refusal says and what writes it."""

PROTOCOL = b"\x80\x02"
FLOATS = b"ctorch\nFloatStorage\n"
ORDERED = b"ccollections\nOrderedDict\n)R"
ONE_KEY = b"\x80\x02]X\1\0\0\0000a."


class Calls:
    """Unpickles as the call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def plain(value: object) -> bytes:
    """Return a value as it stands within a pickle."""
    return pickle.dumps(value, 2)[2:-1]


def storage(numel: int = 4, kind: bytes = FLOATS, key: str = "0", views: bytes = b"") -> bytes:
    """Return what a pickle says of a storage; in a row of pickles `views` behind it is None."""
    return b"(" + plain("storage") + kind + plain(key) + plain("cpu") + plain(numel) + views + b"tQ"


def tensor(
    held: bytes = storage(), offset: object = 0, shape: object = (2, 2), stride: object = (2, 1), hooks: bytes = ORDERED
) -> bytes:
    """Return what a pickle says of a tensor: by itself an honest one of four values."""
    places = plain(offset) + plain(shape) + plain(stride)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + held + places + b"\x89" + hooks + b"tR"


def state(value: bytes = tensor(), key: bytes = plain("w")) -> bytes:
    """Return the pickle of a state dict of one name."""
    return PROTOCOL + b"}" + key + value + b"s."


def zipped(
    path: Path, pickled: bytes, parts: Mapping[str, bytes] | None = None, method: int = zipfile.ZIP_STORED, folder: str = "net"
) -> None:
    """Write what torch.save would write around a pickle; `parts` instead of the one storage of four values."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled)
        for name, data in ({"data/0": bytes(16)} if parts is None else parts).items():
            archive.writestr(f"{folder}/{name}", data)
        archive.writestr(f"{folder}/version", "3\n")


def rowed(
    path: Path,
    pickled: bytes,
    keys: bytes = ONE_KEY,
    numel: int = 4,
    data: bytes = bytes(16),
    machine: Mapping[str, object] | None = None,
) -> None:
    """Write what torch.save would have written around a pickle before torch 1.6."""
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    told = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}} if machine is None else machine, 2)
    path.write_bytes(head + told + pickled + keys + struct.pack("<q", numel) + data)


def safe(path: Path, head: object, data: bytes = bytes(16)) -> None:
    """Write a .safetensors file with any head."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def entry(begin: object = 0, end: object = 16, kind: object = "F32", shape: object = (2, 2)) -> dict[str, object]:
    """Return what the head of a .safetensors file says of a tensor: by itself an honest one of four values."""
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def overwritten(path: Path, old: bytes, new: bytes, count: int = -1) -> None:
    """Change bytes of a file."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, count))
