"""The operations by which a disk changes, each a durable point that XZOO_FAULT can make fail. Only durable.py calls them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

from xzoo import faults

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NO_SUCH_CALL = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class _Counted(io.FileIO):
    """A file whose every write is a point. What is buffered is written when the buffer is full or flushed."""

    def __init__(self, path: Path, mode: str) -> None:
        faults.began(path)
        super().__init__(path, mode)
        self._path = path

    def write(self, data: ReadableBuffer, /) -> int:
        whole = memoryview(data).cast("B")
        write = super().write
        faults.passing("write", self._path, lambda: write(whole[: len(whole) // 2]))
        return write(whole) or 0


def opened(path: Path, mode: str = "w+b") -> IO[bytes]:
    """Open a file to write and read it. Its bytes are on the disk when `sync` has returned."""
    if faults.trial() is None:
        return path.open(mode)
    # Of a BufferedWriter numpy would take the number of the file, and write past the points.
    return io.BufferedRandom(_Counted(path, mode.replace("b", "")))


def temporary_file(folder: Path, prefix: str, suffix: str) -> Path:
    """Create an empty file of a name that nothing else has."""
    faults.passing("write", folder / f"{prefix}{suffix}")
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=folder)
    os.close(handle)
    return Path(name)


def temporary_folder(folder: Path, prefix: str, suffix: str) -> Path:
    """Create an empty folder of a name that nothing else has."""
    faults.passing("mkdir", folder / f"{prefix}{suffix}")
    return Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=folder))


def allocate(file: IO[bytes], path: Path, num_bytes: int) -> None:
    """Take the space of a file before it is written, where the file system can: a full disk is then told at once."""
    faults.passing("write", path)
    if num_bytes and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        except OSError as error:
            if error.errno not in _NO_SUCH_CALL:
                raise


def sync(file: IO[bytes], path: Path) -> None:
    """Flush a file that is open to the disk."""
    file.flush()
    faults.passing("fsync", path, lambda: _halve(path))
    os.fsync(file.fileno())
    faults.flushed(path)


def sync_file(path: Path) -> None:
    """Flush a file to the disk; one that a library wrote past the points passes its write now."""
    if not faults.is_known(path):
        faults.began(path)
        faults.passing("write", path, lambda: _halve(path))
    with path.open("rb") as file:
        faults.passing("fsync", path, lambda: _halve(path))
        os.fsync(file.fileno())
    faults.flushed(path)


def sync_folder(folder: Path) -> None:
    """Flush the names that a folder holds to the disk, where the file system and the folder's permissions let us."""
    faults.passing("fsync", folder)
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise
    finally:
        os.close(handle)
    faults.flushed(folder)


def rename(source: Path, target: Path) -> None:
    """Put a file in the place of another, or a folder where none or an empty one stands."""
    faults.passing("rename", target)
    done = faults.renaming(source, target)
    source.replace(target)
    done()


def link(source: Path, target: Path) -> None:
    """Give a file that is whole a second name, or copy it where the file system knows no such thing."""
    faults.passing("write", target)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {*_NO_SUCH_CALL, errno.EPERM, errno.EMLINK, errno.EXDEV}:
            raise
        shutil.copyfile(source, target)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing; the disk holds their names when it returns."""
    if folder.is_dir():
        return
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing or [folder]):  # a file that stands there is told
        faults.passing("mkdir", one)
        one.mkdir(exist_ok=True)
        faults.made(one)
        sync_folder(one.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all it holds; nothing happens where there is none."""
    faults.passing("remove", path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def create(path: Path, data: bytes) -> bool:
    """Create a file that holds `data`, or say that there is one; of several processes one creates it."""
    faults.passing("write", path)
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            os.write(handle, data)
        finally:
            os.close(handle)
        return True
    return False


def _halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)
