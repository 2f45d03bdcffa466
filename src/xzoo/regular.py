"""Files that others name, opened without waiting: a pipe, a device or a folder by a file's name is refused, and so is a giant."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

MEGABYTE = 1_000_000
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_file(path: str | Path) -> io.FileIO:
    """Open a file to read its bytes. Raises OSError, whose `strerror` says so, for what is no file."""
    check(path)
    return open(path, "rb", buffering=0)  # noqa: PTH123


def read_bytes(path: str | Path, most_mb: int) -> bytes:
    """Return a file's bytes. Raises OSError, whose `strerror` says so, for what is no file or has more than `most_mb` of 10^6."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_mb * MEGABYTE:
            raise OSError(errno.EFBIG, f"it has {size // MEGABYTE:,} MB, and at most {most_mb:,} MB are read", str(path))
        return file.read()


def check(path: str | Path) -> None:
    """Raise OSError, whose `strerror` says so, for what is no file.

    To be asked before opening: that alone would wait for a pipe's other end, and may do something to a device.
    """
    mode = os.stat(path).st_mode  # noqa: PTH116
    if stat.S_ISREG(mode):
        return
    for is_kind, name in _KINDS:
        if is_kind(mode):
            raise OSError(errno.EISDIR if name == "a folder" else errno.EINVAL, f"it is {name}, not a file", str(path))
