"""A disk that fails on purpose: XZOO_FAULT=POINT:K:ERROR lets the K-th durable point of the process fail.

POINT is write, fsync, rename, mkdir, remove, or `any` of them; K counts from 1, and `K+` is that one and all behind it. ERROR is
ENOSPC, EIO, EROFS, EDQUOT, or `torn`: half of the bytes are written, what was not flushed to the disk since is dropped, and the
process ends as by SIGKILL. Without the variable a point costs a look at one value.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from xzoo.errors import UsageError

VARIABLE = "XZOO_FAULT"
ANY, TORN = "any", "torn"
POINTS = ("write", "fsync", "rename", "mkdir", "remove")
ERRORS = ("ENOSPC", "EIO", "EROFS", "EDQUOT")


@dataclass(frozen=True)
class Fault:
    """What is asked for: the `number`-th point of a kind fails with `error`, and with `lasts` all behind it too."""

    point: str
    number: int
    error: str
    lasts: bool = False


def parse(words: str) -> Fault:
    """Return the fault that XZOO_FAULT asks for. Raises UsageError."""
    found = re.fullmatch(rf"({'|'.join((ANY, *POINTS))}):([1-9]\d{{0,17}})(\+?):({'|'.join((*ERRORS, TORN))})", words)
    if not found:
        remedy = f"POINT:K:ERROR, such as write:7:ENOSPC; POINT is {ANY}, {', '.join(POINTS)}, ERROR {', '.join((*ERRORS, TORN))}"
        raise UsageError(f"{VARIABLE}={words} names no fault", remedy)
    return Fault(found[1], int(found[2]), found[4], bool(found[3]))


@dataclass
class Trial:
    """A process under a fault: the points it passed, and what a loss of power would take from its disk now.

    `unsafe` maps files to the length that is known to be on the disk, `undo` holds what takes back a change of a folder.
    """

    fault: Fault
    counts: Counter[str] = field(default_factory=Counter)
    unsafe: dict[Path, int] = field(default_factory=dict)
    seen: set[Path] = field(default_factory=set)
    undo: list[tuple[Path, Callable[[], object]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_due(self, point: str) -> bool:
        """Count a point, and say whether it is one that fails."""
        with self.lock:
            self.counts.update((point, ANY))
            number = self.counts[self.fault.point]
        is_meant = self.fault.point in {point, ANY}
        return is_meant and (number == self.fault.number or (self.fault.lasts and number > self.fault.number))

    def lose_power(self) -> None:
        """Drop what was not flushed, take back what folders do not hold yet, and end as by SIGKILL."""
        for path, length in self.unsafe.items():
            with contextlib.suppress(OSError):
                os.truncate(path, length)
        for _, take_back in reversed(self.undo):
            with contextlib.suppress(OSError):
                take_back()
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def trial() -> Trial | None:
    """Return the trial that this process is, or None without XZOO_FAULT, which is read once. Raises UsageError."""
    words = os.environ.get(VARIABLE, "")
    return Trial(parse(words)) if words else None


def passing(point: str, path: Path, tear: Callable[[], object] = int) -> None:
    """Pass a durable point that concerns `path`; `tear` does half of what is about to be done. Raises OSError where it is due."""
    now = trial()
    if now is None or not now.is_due(point):
        return
    if now.fault.error == TORN:
        tear()
        now.unsafe.pop(path, None)
        now.lose_power()
    code = getattr(errno, now.fault.error)
    raise OSError(code, os.strerror(code), str(path))


def began(path: Path) -> None:
    """Note that a file is being written; the length that it has now is on the disk."""
    if (now := trial()) is not None:
        now.seen.add(path)
        now.unsafe.setdefault(path, path.stat().st_size if path.exists() else 0)


def is_known(path: Path) -> bool:
    """Whether all writes to this file pass durable points; without a trial nobody needs to know, and it is."""
    return (now := trial()) is None or path in now.seen


def flushed(path: Path) -> None:
    """Note that a file's bytes, or a folder's names, are on the disk."""
    if (now := trial()) is not None:
        now.unsafe.pop(path, None)
        now.undo = [(folder, take_back) for folder, take_back in now.undo if folder != path]


def made(folder: Path) -> None:
    """Note that a folder was made, which the folder above it does not hold yet."""
    if (now := trial()) is not None:
        now.undo.append((folder.parent, lambda: shutil.rmtree(folder, ignore_errors=True)))


def renaming(source: Path, target: Path) -> Callable[[], None]:
    """Keep what a rename replaces, and return what is to be called when it was done."""
    now = trial()
    if now is None:
        return lambda: None
    before = target.read_bytes() if target.is_file() else None

    def take_back() -> None:
        target.rename(source)
        if before is not None:
            target.write_bytes(before)

    def done() -> None:
        for paths in (now.unsafe, dict.fromkeys(now.seen, 0)):
            for path in [path for path in paths if path.is_relative_to(source)]:
                moved = target / path.relative_to(source)
                if paths is now.unsafe:
                    now.unsafe[moved] = now.unsafe.pop(path)
                else:
                    now.seen.add(moved)
        now.undo.append((target.parent, take_back))

    return done
