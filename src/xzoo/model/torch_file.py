"""What torch.save writes, a zip since torch 1.6 and a row of pickles before, told before it is read. No torch."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import IO, Any

from xzoo.model import pickled
from xzoo.model.described import RefusedError, Storage, one_size_each
from xzoo.model.pickled import Pickle

_ZIP = b"PK\x03\x04"
_END, _END_64, _LOCATOR = (struct.Struct(form) for form in ("<4s4H2IH", "<4sQ2H2I4Q", "<4sIQI"))
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
_MOST_PARTS = 100_000
_MOST_LISTED_BYTES = 32_000_000
_PICKLE = b"\x80\x02"
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_NOT_TORCHS = "is a zip file that torch.save did not write"
_AS_SAVED = "give what torch.save wrote of a state dict, as it wrote it, or a .safetensors file"


def is_zip(path: Path) -> bool:
    """Whether torch would read the file as a zip: by its first bytes, as torch does."""
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def contents(path: Path) -> Any:
    """Return what torch.load would give of a file, tensors as Described, having read neither them nor more than it must.

    Raises RefusedError for a file that torch.save did not write, that reaches out of itself, or that holds more than tensors.
    """
    return _of_zip(path) if is_zip(path) else _of_pickles(path)


def _of_zip(path: Path) -> Any:
    parts = _parts(path)
    prefixes = {name.partition("/")[0] for name in parts}
    names = [name for name in parts if name.endswith("/data.pkl")]
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in parts):
        raise RefusedError("is a program (TorchScript), no checkpoint", "save module.state_dict() instead, best as .safetensors")
    if len(prefixes) != 1 or names != [f"{next(iter(prefixes))}/data.pkl"]:
        raise RefusedError(_NOT_TORCHS, _AS_SAVED)
    if parts[names[0]].file_size > pickled.MOST_BYTES:
        raise RefusedError("holds a pickle far longer than that of any network", _AS_SAVED)
    try:
        with zipfile.ZipFile(path) as archive:
            followed = Pickle(io.BytesIO(archive.read(names[0])))
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise RefusedError("is truncated or altered") from error
    folder = names[0].removesuffix("data.pkl") + "data/"
    for key, size in one_size_each(followed.storages).items():
        if folder + key not in parts:
            raise RefusedError("lacks values of its tensors")
        if parts[folder + key].file_size != size:
            raise RefusedError("holds fewer or more values than its tensors say")
    return followed.value


def _parts(path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the parts of a zip file by name, all stored as they are and together no larger than the file."""
    count = _count(path)
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise RefusedError("is truncated or altered") from error
    if any(part.compress_type != zipfile.ZIP_STORED or part.compress_size != part.file_size for part in listed):
        raise RefusedError("is a zip file of packed parts, which torch.save does not write", _AS_SAVED)
    parts = {part.filename: part for part in listed}
    if len(parts) != count or len(listed) != count or any(part.flag_bits & 1 for part in listed):
        raise RefusedError(_NOT_TORCHS, _AS_SAVED)
    if sum(part.file_size for part in listed) > path.stat().st_size:
        raise RefusedError("holds parts that are together larger than itself", _AS_SAVED)
    return parts


def _count(path: Path) -> int:
    """Return how many parts a zip lists. Raises RefusedError where two readers may understand its ending in two ways."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size - _LOCATOR.size - _END_64.size))
        tail = file.read()
    if len(tail) < _END.size or tail[-_END.size :][:4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        raise RefusedError("is truncated or altered")
    _, disk, first, here, count, listed, start, _ = _END.unpack(tail[-_END.size :])
    end = size - _END.size
    locator = tail[-_END.size - _LOCATOR.size : -_END.size]
    if locator[:4] == b"PK\x06\x07" and len(tail) == _END.size + _LOCATOR.size + _END_64.size:
        end -= _LOCATOR.size + _END_64.size
        short = (here, count, listed, start)
        _, length, _, _, disk, first, here, count, listed, start = _END_64.unpack(tail[: _END_64.size])
        full = (_FULL_16, _FULL_16, _FULL_32, _FULL_32)
        agree = all(one in (large, top) for one, large, top in zip(short, (here, count, listed, start), full, strict=True))
        if not agree or _LOCATOR.unpack(locator)[2] != end or length != _END_64.size - 12:
            raise RefusedError(_NOT_TORCHS, _AS_SAVED)
    if disk or first or here != count or start + listed != end:
        raise RefusedError(_NOT_TORCHS, _AS_SAVED)
    if count > _MOST_PARTS or listed > _MOST_LISTED_BYTES:
        raise RefusedError(f"lists {count:,} parts, more than any network has", _AS_SAVED)
    return int(count)


def _of_pickles(path: Path) -> Any:
    with path.open("rb") as file:
        head = io.BytesIO(file.read(pickled.MOST_BYTES))
        if head.getvalue()[:2] != _PICKLE:
            raise RefusedError("is no checkpoint", _AS_SAVED)
        values: list[Any] = []
        storages: list[Storage] = []
        for _ in range(5):
            followed = Pickle(head)
            values.append(followed.value)
            storages += followed.storages
            if values[0] != _MAGIC or values[1:2] not in ([], [_PROTOCOL]):
                raise RefusedError("is no checkpoint", _AS_SAVED)
        _, _, machine, content, keys = values
        sizes = one_size_each(storages)
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise RefusedError("was written by a machine of another byte order", "load and save it there with a new torch")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(sizes):
            raise RefusedError("lacks values of its tensors")
        _refuse_odd_storages(file, head.tell(), keys, {storage.key: storage for storage in storages}, path.stat().st_size)
    return content


def _refuse_odd_storages(file: IO[bytes], place: int, keys: list[str], storages: dict[str, Storage], size: int) -> None:
    """Refuse values that do not fill the file to its end, each as long as its own head and its tensors say."""
    for key in keys:
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or place + 8 + storages[key].num_bytes > size:
            raise RefusedError("is truncated")
        if int.from_bytes(head, "little") != storages[key].numel:
            raise RefusedError("holds fewer or more values than its tensors say")
        place += 8 + storages[key].num_bytes
    if place != size:
        raise RefusedError("goes on behind its last value", _AS_SAVED)
