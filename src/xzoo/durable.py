"""The only module that writes files: a file is whole or absent, whatever happens in between.

How to write: `write_bytes` or `write_file` for one file, `new_folder` for several that belong together, and inside of its block
`fill_bytes`, `fill_file` or `fill_link`. `append_file` and `put_in_place` are for what grows over several processes, such as a
download, and `create_file` for what one of several processes may have. All of it passes the points of disk.py, where XZOO_FAULT
lets a disk fail. Every failure is a StorageError that names the file and what is needed.

What is unfinished is called `.NAME.OWNER.*.tmp`. The process that began it removes it; where that was killed, the next process
that writes into the same folder does.
"""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from xzoo import disk, unfinished
from xzoo.refusal import told

MANIFEST = "manifest.json"
_TICK_NS = 10**6
_filling: dict[Path, Path] = {}


def make_folder(folder: Path) -> Path:
    """Make the folder and its parents, and return it. Raises StorageError."""
    with told(folder):
        disk.make_folder(folder)
    return folder


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before. Raises StorageError."""
    write_file(path, lambda file: file.write(data), len(data))


def write_file(path: Path, write: Callable[[IO[bytes]], Any], num_bytes: int | None = None) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to the disk, and put it in place. Raises StorageError.

    `num_bytes` is what it will hold, where that is known: a full disk's message says so.
    """
    make_folder(path.parent)
    unfinished.sweep(path.parent)
    with told(path, lambda: num_bytes):
        temporary = unfinished.new_file(path)
        try:
            with disk.opened(temporary) as file:
                write(file)
                disk.sync(file, temporary)
            temporary.chmod(0o666 & ~_umask())
            disk.rename(temporary, path)
            disk.sync_folder(path.parent)
        finally:
            unfinished.drop(temporary)


@contextlib.contextmanager
def new_folder(folder: Path, stays: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Yield a temporary folder to fill; put it in place of `folder`, manifest written last, when the block ends well.

    The manifest maps each file's name to its sha256, so a folder without one, or with other bytes, was never finished.
    `stays` is asked of what stands there by then: where it says so, that is left and the new one dropped. Raises StorageError.
    """
    make_folder(folder.parent)
    unfinished.sweep(folder.parent)
    with told(folder):
        temporary = unfinished.new_folder(folder)
    _filling[temporary] = folder
    try:
        with told(folder, lambda: bytes_in(temporary)):
            yield temporary
            _finish(temporary)
            _put_in_place(temporary, folder, stays)
    finally:
        del _filling[temporary]
        unfinished.drop(temporary)


def fill_bytes(path: Path, data: bytes) -> None:
    """Write a file inside of a folder of `new_folder`, which flushes it to the disk in the end. Raises StorageError."""
    with told(_final(path), lambda: len(data)), disk.opened(path) as file:
        file.write(data)


@contextlib.contextmanager
def fill_file(path: Path, num_bytes: int | None = None) -> Iterator[IO[bytes]]:
    """Yield a file inside of a folder of `new_folder` to write, seek and read; the folder flushes it to the disk in the end.

    Where `num_bytes`, the size that it will have, is known, its space is taken first. Write through the file and never through
    a memory map: where the disk is full, the system kills a process that writes to mapped memory. Raises StorageError.
    """
    with told(_final(path), lambda: num_bytes or bytes_in(path)), disk.opened(path) as file:
        if num_bytes is not None:
            disk.allocate(file, path, num_bytes)
        yield file


def fill_link(path: Path, source: Path) -> None:
    """Put a file that nobody writes any more into a folder of `new_folder`: both names share its bytes where the disk can do so.

    Raises StorageError, and FileNotFoundError where there is no such file.
    """
    if not source.exists():
        raise FileNotFoundError(source)
    with told(_final(path), lambda: bytes_in(source)):
        disk.link(source, path)


@contextlib.contextmanager
def append_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write on at its end; what was written is on the disk when the block ends, well or not.

    It may end anywhere, so who reads it must know a whole one by itself, by a sha256. Raises StorageError.
    """
    make_folder(path.parent)
    with told(path), disk.opened(path, "a+b") as file:
        try:
            yield file
        finally:
            disk.sync(file, path)


def put_in_place(source: Path, target: Path) -> None:
    """Flush a file to the disk and give it another name beside it; what bore that name is replaced. Raises StorageError."""
    with told(target):
        disk.sync_file(source)
        disk.rename(source, target)
        disk.sync_folder(target.parent)


def create_file(path: Path, data: bytes) -> bool:
    """Create a file where there is none, and say whether this process did: of several that try, one. Raises StorageError.

    It is not flushed to the disk, and a reader may see it before its bytes: it is for processes that live at the same time.
    """
    make_folder(path.parent)
    with told(path):
        return disk.create(path, data)


def mark_newest(path: Path, among: Iterable[Path] = ()) -> None:
    """Set the time of `path` to now, or behind all of `among` where the clock was put back meanwhile. No failure is told."""
    latest = time.time_ns()
    for one in among:
        with contextlib.suppress(OSError):
            latest = max(latest, one.stat().st_mtime_ns + _TICK_NS if one != path else 0)
    with contextlib.suppress(OSError):
        os.utime(path, ns=(latest, latest))


def may_replace(folder: Path, like: str) -> bool:
    """Whether a new folder may stand there: nothing does, or an empty folder, or one of `new_folder` as it was written.

    All its files must be `like` a pattern, so that none takes the place of what another command wrote. The folder that the
    process is in, and those around it, must stay.
    """
    if not folder.exists() and not folder.is_symlink():
        return True
    if folder.is_symlink() or not folder.is_dir() or Path.cwd().is_relative_to(folder.resolve()):
        return False
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}
    if not found:
        return True
    if not all(fnmatch.fnmatchcase(name, like) for name in found - {MANIFEST}):
        return False
    return is_whole(folder) and found == {*json.loads((folder / MANIFEST).read_bytes()), MANIFEST}


@contextlib.contextmanager
def temporary_folder(prefix: str, above: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder among the system's temporary ones, or in another, which is removed with all it holds in the end.

    What a process that is just ending still writes there may stay.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=above, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def is_whole(folder: Path) -> bool:
    """Whether a folder made by `new_folder` holds every file of its manifest with the bytes it had."""
    try:
        digests = json.loads((folder / MANIFEST).read_bytes())
        return all(sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, at once to who looks; nothing where there is none. Raises StorageError."""
    with told(path):
        if not path.is_dir() or path.is_symlink():
            disk.remove(path)
        elif (gone := unfinished.put_aside(path, unfinished.UNFINISHED)) is not None:
            try:
                disk.remove(gone)
            finally:
                unfinished.drop(gone)


def bytes_in(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; what vanishes meanwhile counts for nothing."""
    total = 0
    with contextlib.suppress(OSError):
        for file in path.rglob("*") if path.is_dir() else (path,):
            with contextlib.suppress(OSError):
                total += file.stat().st_size if file.is_file() else 0
    return total


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _finish(temporary: Path) -> None:
    files = sorted(path for path in temporary.rglob("*") if path.is_file())
    for path in files:
        disk.sync_file(path)
    digests = {path.relative_to(temporary).as_posix(): sha256(path) for path in files}
    fill_bytes(temporary / MANIFEST, json.dumps(digests, indent=1).encode())
    disk.sync_file(temporary / MANIFEST)
    temporary.chmod(0o777 & ~_umask())
    for folder in (*{path.parent for path in files} - {temporary}, temporary):
        disk.sync_folder(folder)


def _put_in_place(temporary: Path, folder: Path, stays: Callable[[], bool]) -> None:
    # rename(2) replaces an empty folder alone, so it cannot take away what another process put there a moment before.
    aside: list[Path] = []
    try:
        for is_last in (False, False, False, True):
            try:
                disk.rename(temporary, folder)
            except OSError as error:
                if is_last or error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                if stays():
                    return
                aside += [one] if (one := unfinished.put_aside(folder, unfinished.ASIDE)) else []
            else:
                disk.sync_folder(folder.parent)
                return
    finally:
        for one in reversed(aside):
            unfinished.put_back(one, folder)


def _final(path: Path) -> Path:
    """Return where a file of a folder that is being filled will lie."""
    for temporary, folder in _filling.items():
        if path.is_relative_to(temporary):
            return folder / path.relative_to(temporary)
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
