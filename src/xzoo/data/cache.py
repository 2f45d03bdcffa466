"""The bounded cache of packs, views and features: what is evicted was computed once and can be computed again."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from xzoo import durable, unfinished
from xzoo.errors import StorageError, UsageError

KINDS = ("packs", "views", "features")
DEFAULT_LIMIT_GB = 20.0
_ABANDONED_NS = 24 * 3600 * 10**9
_ATTEMPTS = 5
_T = TypeVar("_T")

_SETTLED_NS = 2_000_000_000
_intact: dict[Path, tuple[tuple[int, int, int, int, int], ...]] = {}
"""Entries that this process has hashed, with what the file system said of their files then."""


def root() -> Path:
    """Return XZOO_CACHE, else `xzoo` in XDG_CACHE_HOME, else ~/.cache/xzoo. Nothing is made."""
    if chosen := os.environ.get("XZOO_CACHE"):
        return Path(chosen).expanduser()
    above = os.environ.get("XDG_CACHE_HOME")
    return (Path(above).expanduser() if above else Path.home() / ".cache") / "xzoo"


def limit() -> int:
    """Return the bound in bytes: XZOO_CACHE_LIMIT in GB (10^9 bytes), 20 without it. Raises UsageError."""
    text = os.environ.get("XZOO_CACHE_LIMIT", "") or str(DEFAULT_LIMIT_GB)
    with contextlib.suppress(ValueError, OverflowError):
        if (bound := int(float(text) * 1e9)) >= 0:
            return bound
    raise UsageError(f"XZOO_CACHE_LIMIT={text} is no size", "give a number of gigabytes, such as 20")


def size() -> int:
    """Return the bytes that all entries hold."""
    return sum(durable.bytes_in(folder) for folder in _entries())


def entry(
    folder: Path, is_whole: Callable[[], bool], write: Callable[[], None], read: Callable[[], _T], keep: Collection[Path] = ()
) -> _T:
    """Return what `read` opens of an entry, after `write` has made it where it is not whole.

    Other processes may make or evict the same entry at any moment, so a `read` that finds no file begins anew; `write` leaves
    what another has put in place meanwhile. Entries in `keep` are not evicted to make room. Raises StorageError.
    """
    for _ in range(_ATTEMPTS):
        if not is_whole():
            write()
            trim(keep=(folder, *keep))
        touch(folder)
        with contextlib.suppress(FileNotFoundError):
            return read()
    raise StorageError(
        f"{folder} vanishes as often as it is made", "give the cache more room (XZOO_CACHE_LIMIT), then run it again"
    )


def is_intact(folder: Path, names: Sequence[str]) -> bool:
    """Whether an entry holds files of these names with the bytes that its manifest says.

    All bytes are hashed (1.5 GB/s on one core that has instructions for it) once in every process, and again where size, times or
    inode of a file changed since: the time of its last change, ctime, is set by every write and by nobody at will.
    """
    try:
        digests = json.loads((folder / durable.MANIFEST).read_bytes())
        stamp = tuple(_stamp(folder / name) for name in (*names, durable.MANIFEST))
        if _intact.get(folder) == stamp:
            return True
        if not all(durable.sha256(folder / name) == digests[name] for name in names):
            return False
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    # A file system's clock stands still for some milliseconds: what was written just now may be written again unseen.
    if max(ctime_ns for _, _, ctime_ns, _, _ in stamp) < time.time_ns() - _SETTLED_NS:
        _intact[folder] = stamp
    return True


def touch(folder: Path) -> None:
    """Mark an entry as just used, after all others whatever the clock says. A cache that cannot be written stays readable."""
    durable.mark_newest(folder, _entries())


def trim(limit_bytes: int | None = None, keep: Collection[Path] = ()) -> int:
    """Evict the least recently used entries until the rest fits the bound, and return the bytes freed.

    Entries in `keep` stay, even where they alone are over the bound. What a process that has ended left unfinished goes first,
    and of processes that cannot be seen from here what nobody has touched for a day. Raises StorageError, UsageError.
    """
    bound = limit() if limit_bytes is None else limit_bytes
    kept = {folder.resolve() for folder in keep}
    entries = sorted(((*_age(folder), folder) for folder in _entries()), key=lambda entry: entry[:2])
    held = {folder: durable.bytes_in(folder) for _, _, folder in entries}
    total = sum(held.values())
    freed = 0
    for not_abandoned, _, folder in entries:
        over = total - freed > bound or not not_abandoned
        if over and folder.resolve() not in kept and (not_abandoned or _is_abandoned(folder)):
            _evict(folder)
            freed += held[folder]
    return freed


def _stamp(path: Path) -> tuple[int, int, int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


def _entries() -> Iterator[Path]:
    for kind in KINDS:
        with contextlib.suppress(OSError):
            yield from sorted(path for path in (root() / kind).iterdir() if path.is_dir())


def _age(folder: Path) -> tuple[bool, int]:
    with contextlib.suppress(OSError):
        return not _is_unfinished(folder), folder.stat().st_mtime_ns
    return True, 0


def _is_unfinished(folder: Path) -> bool:
    return folder.name.startswith(".") and folder.name.endswith(unfinished.UNFINISHED)


def _is_abandoned(folder: Path) -> bool:
    has_ended = unfinished.is_abandoned(folder)
    return time.time_ns() - _age(folder)[1] > _ABANDONED_NS if has_ended is None else has_ended


def _evict(folder: Path) -> None:
    try:
        durable.remove(folder)
    except StorageError:
        # Another process may evict the same entry at the same time.
        if folder.exists():
            raise
