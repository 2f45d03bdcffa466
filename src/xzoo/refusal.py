"""Why a disk refused a write, in words that say what is needed and where."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from xzoo.errors import StorageError

_SPACE = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}
_REASONS = {
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
def told(path: Path, needed: Callable[[], int | None] = lambda: None) -> Iterator[None]:
    """Turn a failing write of `path` into a StorageError that names it; `needed` says how many bytes it takes, where known."""
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        if code in _SPACE:
            raise StorageError(f"cannot write {path}: {_SPACE[code]}", _space(path, code, needed() or 0)) from error
        what, remedy = _REASONS.get(code, (error.strerror or str(error), "check the disk, then run the same command again"))
        raise StorageError(f"cannot write {path}: {what}", remedy) from error


def _space(path: Path, code: int, needed: int) -> str:
    """Say how much space is wanted and where; a quota's own numbers are nobody's to read."""
    place = next((one for one in path.absolute().parents if one.is_dir()), path)
    size = f"free more than {_in_words(needed)}" if needed else "free some space"
    with contextlib.suppress(OSError):
        if code == errno.ENOSPC:
            if hasattr(os, "statvfs") and (found := os.statvfs(place)).f_files and not found.f_favail:
                return f"no more files fit on the disk of {place}: remove some, or choose another place"
            return f"{size} on the disk of {place}, where {_in_words(shutil.disk_usage(place).free)} are, or choose another place"
    return f"{size} of what you may use at {place}, or choose another place"


def _in_words(num_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}" if num_bytes < 100 * size else f"{num_bytes / size:.0f} {unit}"
    return f"{num_bytes} bytes"
