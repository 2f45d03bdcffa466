"""The only module that writes files: a file is whole or absent, whatever happens in between."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from xzoo.errors import StorageError

MANIFEST = "manifest.json"
_REASONS = {
    errno.ENOSPC: ("the disk is full", "free some space, or choose another place"),
    errno.EDQUOT: ("the quota is used up", "free some space, or choose another place"),
    errno.EROFS: ("the file system is read-only", "choose a place that can be written"),
    errno.EACCES: ("permission is denied", "choose a place that you may write, or change its permissions"),
    errno.EPERM: ("permission is denied", "choose a place that you may write, or change its permissions"),
    errno.ENOENT: ("no folder can be made there", "choose a place that can be written"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter one"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "choose another place, or move that file away"),
    errno.EISDIR: ("a folder stands where a file is needed", "choose another place, or move that folder away"),
    errno.EEXIST: ("a file stands where a folder is needed", "choose another place, or move that file away"),
}


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn a failing write below `path` into a StorageError that names it."""
    try:
        yield
    except OSError as error:
        what, remedy = _REASONS.get(
            error.errno or 0, (error.strerror or str(error), "check the disk, then run the same command again")
        )
        raise StorageError(f"cannot write {path}: {what}", remedy) from error


def make_folder(folder: Path) -> Path:
    """Make the folder and its parents, and return it. Raises StorageError."""
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds all of it or what it held before. Raises StorageError."""
    write_file(path, lambda file: file.write(data))


def write_file(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to the disk, and put it in place. Raises StorageError."""
    make_folder(path.parent)
    with told(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(folder: Path, stays: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Yield a temporary folder to fill; put it in place of `folder`, manifest written last, when the block ends well.

    The manifest maps each file's name to its sha256, so a folder without one, or with other bytes, was never finished.
    `stays` is asked of what stands there by then: where it says so, that is left and the new one dropped. Raises StorageError.
    """
    make_folder(folder.parent)
    with told(folder):
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        try:
            yield temporary
            files = sorted(path for path in temporary.rglob("*") if path.is_file())
            for path in files:
                _sync_file(path)
            digests = {path.relative_to(temporary).as_posix(): sha256(path) for path in files}
            write_bytes(temporary / MANIFEST, json.dumps(digests, indent=1).encode())
            temporary.chmod(0o777 & ~_umask())
            _put_in_place(temporary, folder, stays)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


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
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Yield an empty folder among the system's temporary ones, which is removed with all it holds when the block ends."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)


def is_whole(folder: Path) -> bool:
    """Whether a folder made by `new_folder` holds every file of its manifest with the bytes it had."""
    try:
        digests = json.loads((folder / MANIFEST).read_bytes())
        return all(sha256(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing happens where there is none. Raises StorageError."""
    with told(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put_in_place(temporary: Path, folder: Path, stays: Callable[[], bool]) -> None:
    # rename(2) replaces an empty folder alone, so it cannot take away what another process put there a moment before.
    for is_last in (False, False, False, True):
        try:
            temporary.replace(folder)
        except OSError as error:
            if is_last or error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            if stays():
                return
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _sync_folder(folder.parent)
            return


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
