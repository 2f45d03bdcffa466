"""numpy's files read by what their headers say: nothing is unpickled, and nothing allocated that the file does not hold.

A .npz is read in place: no member is extracted, so that its name is a word and never a path, and members nobody asks for are not
unpacked.
"""

from __future__ import annotations

import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from xzoo import regular
from xzoo.data.items import counted, listed
from xzoo.errors import DataError

MOST_DIRECTORY = 16_000_000
"""Bytes that the list of an archive's members may take: 200,000 of them."""

MOST_RATIO, FREE = 200, 1_000_000_000
"""An array that unpacks to more than a gigabyte may have so many times the bytes of its archive: images have about two."""

_DEFLATE = 1032
"""What deflate packs into one byte at best (https://www.zlib.net/zlib_tech.html)."""

_HEADERS: Mapping[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
_MOST_HEADER = 1 << 16
_BROKEN = (
    *(ValueError, EOFError, OSError, TypeError, KeyError, AttributeError, SyntaxError, OverflowError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError),
)
_CHUNK = 1 << 24


def load(path: Path) -> NDArray[Any]:
    """Map a .npy file into memory. Raises DataError."""
    try:
        with io.BufferedReader(regular.open_file(path)) as file:
            shape, is_fortran, kind = _header(file, path)
            _check_size(path, shape, kind, os.fstat(file.fileno()).st_size - file.tell())
            if not math.prod(shape) * kind.itemsize:
                return np.empty(shape, kind)
            return np.memmap(file, kind, "r", file.tell(), shape, "F" if is_fortran else "C")
    except _BROKEN as error:
        raise unloadable(path, error) from error


class Archive(Mapping[str, NDArray[Any]]):
    """The arrays of an open .npz file by name, each read when it is asked for. Raises DataError for one that cannot be."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> None:
        self._path, self._archive, self._members = path, archive, members

    def __getitem__(self, name: str) -> NDArray[Any]:
        info = self._members[name]
        try:
            with self._archive.open(info) as file:
                shape, is_fortran, kind = _header(file, self._path)
                _check_size(self._path, shape, kind, info.file_size - file.tell(), is_exact=True)
                values = np.empty(math.prod(shape) * kind.itemsize, np.uint8)
                _fill(file, values)
        except _BROKEN as error:
            raise unloadable(self._path, error) from error
        return values.view(kind).reshape(shape, order="F" if is_fortran else "C")

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Yield the arrays of a .npz file, its members checked by what the archive says of them. Raises DataError."""
    try:
        file = io.BufferedReader(regular.open_file(path))
    except OSError as error:
        raise unloadable(path, error) from error
    with file:
        try:
            num_bytes = os.fstat(file.fileno()).st_size
            _check_directory(file, num_bytes)
            archive = zipfile.ZipFile(file)
        except _BROKEN as error:
            raise unloadable(path, error) from error
        yield Archive(path, archive, _members(path, archive, num_bytes))


def unloadable(path: Path, error: BaseException) -> DataError:
    """Return the error to raise for a file that is no whole numpy file."""
    if isinstance(error, DataError):
        return error
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(f"{path} cannot be read: {' '.join(told.split())[:300]}", "save the file again with numpy")


def _header(file: IO[bytes], path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        version = npy.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"its header is of version {version[0]}.{version[1]}, which plain arrays do not have")
        size = file.read(2 * version[0])
        if int.from_bytes(size, "little") > _MOST_HEADER:
            raise ValueError("its header is no array's")
        shape, is_fortran, kind = _HEADERS[version](io.BytesIO(size + file.read(int.from_bytes(size, "little"))))
    if kind.hasobject:
        raise DataError(
            f"{path} holds Python objects, which only unpickling could read",
            "save plain arrays, all images of one size, without pickling",
        )
    return shape, is_fortran, kind


def _check_size(path: Path, shape: tuple[int, ...], kind: np.dtype[Any], num_bytes: int, *, is_exact: bool = False) -> None:
    told = math.prod(shape) * kind.itemsize
    if any(length < 0 for length in shape) or told > num_bytes or (is_exact and told != num_bytes):
        text = f"its header speaks of {told:,} bytes of shape {shape}"[:200]
        raise DataError(f"{path} cannot be read: {text}, and {num_bytes:,} follow", "save the file again with numpy")


def _fill(file: IO[bytes], values: NDArray[np.uint8]) -> None:
    place = 0
    while place < len(values):
        part = file.read(min(_CHUNK, len(values) - place))
        if not part:
            raise EOFError("it ends before its last value")
        values[place : place + len(part)] = np.frombuffer(part, np.uint8)
        place += len(part)
    # The member's checksum is looked at where it ends.
    if file.read(1):
        raise ValueError("it goes on behind its last value")


def _check_directory(file: IO[bytes], num_bytes: int) -> None:
    """Refuse a list of members that would fill the memory, by what the end of the archive says of its length."""
    file.seek(max(0, num_bytes - (1 << 16) - 22))
    tail = file.read()
    place, place_64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    sizes = [struct.unpack_from("<I", tail, place + 12)[0]] if 0 <= place <= len(tail) - 16 else []
    sizes += [struct.unpack_from("<Q", tail, place_64 + 40)[0]] if 0 <= place_64 <= len(tail) - 48 else []
    if any(MOST_DIRECTORY < size < num_bytes for size in sizes):
        raise ValueError(f"the list of its members takes more than {MOST_DIRECTORY // 10**6} MB")
    file.seek(0)


def _members(path: Path, archive: zipfile.ZipFile, num_bytes: int) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    names = [info.filename.removesuffix(".npy") for info in infos]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 1000 else names
        raise DataError(f"{path} has two members called {listed(twice)}", "keep one of the two")
    if sum(info.compress_size for info in infos) > num_bytes:
        raise DataError(f"{path} cannot be read: its members share bytes or lie beyond its end", "save the file again with numpy")
    for info in infos:
        if fault := _fault(info):
            raise DataError(f"{path}: {listed([info.filename])} {fault}", "save the file again with numpy.savez")
    return dict(zip(names, infos, strict=True))


def _fault(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        return "is packed in a way that numpy does not write"
    most = info.compress_size * (1 if info.compress_type == zipfile.ZIP_STORED else _DEFLATE)
    if info.file_size > most:
        return f"cannot unpack to {info.file_size:,} bytes from {info.compress_size:,}"
    if info.file_size > max(FREE, MOST_RATIO * info.compress_size):
        return f"would unpack to {info.file_size:,} bytes from {counted(info.compress_size, 'byte')}, as images do not"
    if info.file_size > (memory := os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")):
        return (
            f"unpacks to {info.file_size:,} bytes, and this machine has {memory:,} bytes of memory: give one .npy for each class"
        )
    return ""
