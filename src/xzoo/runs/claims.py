"""One writer for each piece of work, among processes that share a folder and nothing else: no locks, no server, no common clock.

A claim is a file that one process can create. It names its process and bears a mark of its own, and while the process lives its
time changes every few seconds. One is stale when its process has ended, where that can be seen, or when the reader, by its own
steady clock, saw no change for long; what the file's time says in itself is never read, for clocks differ and jump. A stale claim
is not removed but followed: the file that succeeds it bears its mark in its name, so that of several takers one creates it, and a
taker that comes late follows a mark that no longer leads anywhere. The holder is the last of the chain that begins at the name.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from xzoo import durable, owner
from xzoo.errors import StorageError

PULSE_SECONDS = 5.0
STALE_SECONDS = 120.0
"""Without a change for so long a claim is stale: many pulses, and longer than a network file system shows old times."""

_ATTEMPTS = 20


@dataclass(frozen=True)
class _Link:
    """A claim as it was read: `changed` is its file's time, which says something only where it differs from another's."""

    path: Path
    mark: str
    holder: str
    changed: int
    told: str = ""


@dataclass(eq=False)
class Claims:
    """The claims that a process has in a folder.

    `patience` is the time without a pulse after which the claim of a process that cannot be seen is stale, in seconds.
    """

    folder: Path
    patience: float = STALE_SECONDS
    _held: dict[str, list[_Link]] = field(default_factory=dict)
    _seen: dict[Path, tuple[int, float]] = field(default_factory=dict)

    def take(self, name: str) -> bool:
        """Whether this process alone may do the work now: it has the claim, or has just got it. Raises StorageError."""
        if name in self._held:
            return True
        for _ in range(_ATTEMPTS):
            chain = list(self._chain(name))
            if chain and not self._is_stale(chain[-1]):
                return False
            mark = secrets.token_hex(8)
            path = self._path(name, chain[-1].mark if chain else "")
            told = json.dumps({"holder": str(owner.this()), "mark": mark, "machine": socket.gethostname()})
            if not durable.create_file(path, told.encode()):
                continue
            chain = list(self._chain(name))
            if chain and chain[-1].mark == mark:
                self._held[name] = chain
                _pulse.add(path)
                return True
            durable.remove(path)  # what it followed was given back meanwhile
        return False

    def is_free(self, name: str) -> bool:
        """Whether nobody else has the claim, as far as can be seen."""
        chain = list(self._chain(name))
        return name in self._held or not chain or self._is_stale(chain[-1])

    def holder(self, name: str) -> str:
        """Return in words which other process has a claim, nothing where none has or it cannot be told."""
        chain = list(self._chain(name))
        return chain[-1].told if chain and name not in self._held and not self._is_stale(chain[-1]) else ""

    def release(self, name: str) -> None:
        """Give a claim back. Raises StorageError; a claim that stays is stale when its process has ended."""
        chain = self._held.get(name, [])
        was_taken_over = bool(chain) and self._path(name, chain[-1].mark).exists()
        for link in () if was_taken_over else chain:  # the first one first: a new chain may begin while the rest of this one goes
            durable.remove(link.path)
        if chain:
            _pulse.drop(chain[-1].path)
            del self._held[name]

    def tidy(self, name: str) -> None:
        """Remove the claim on work that is done, where the process that had it was killed before it could."""
        if self._path(name, "").exists() and self.take(name):
            self.release(name)

    def close(self) -> None:
        """Give all claims back, as far as the disk lets us."""
        for name in list(self._held):
            with contextlib.suppress(StorageError):
                self.release(name)

    def _path(self, name: str, after: str) -> Path:
        return self.folder / f".{name}{f'.{after}' if after else ''}.claim"

    def _chain(self, name: str) -> Iterator[_Link]:
        link = _read(self._path(name, ""))
        while link is not None:
            yield link
            link = _read(self._path(name, link.mark))

    def _is_stale(self, link: _Link) -> bool:
        found = owner.parse(link.holder)
        if found is not None and found.is_dead():
            return True
        now = time.monotonic()
        changed, since = self._seen.get(link.path, (None, now))
        if changed != link.changed:
            since = now
        self._seen[link.path] = (link.changed, since)
        return now - since > self.patience


def _read(path: Path) -> _Link | None:
    """Return a claim, or None where there is none. One that was created a moment ago may be empty, and is known by its number."""
    try:
        with path.open("rb") as file:
            words, status = file.read(4096), os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError, IndexError):
        told = json.loads(words)
        mark, holder = str(told["mark"]), str(told["holder"])
        return _Link(path, mark, holder, status.st_mtime_ns, f"process {holder.split('-')[1]} on {told['machine']}")
    return _Link(path, f"{status.st_ino:x}", "", status.st_mtime_ns)


class _Pulse:
    """A thread that changes the time of each claim that its process has."""

    def __init__(self) -> None:
        self._paths: set[Path] = set()
        self._lock = threading.Lock()
        self._beats_in = 0

    def add(self, path: Path) -> None:
        """Keep a claim alive from now on."""
        with self._lock:
            if self._beats_in != os.getpid():  # a thread stays behind when its process forks
                self._paths.clear()
                self._beats_in = os.getpid()
                threading.Thread(target=self._beat, name="xzoo-claims", daemon=True).start()
            self._paths.add(path)

    def drop(self, path: Path) -> None:
        """Let a claim be."""
        with self._lock:
            self._paths.discard(path)

    def _beat(self) -> None:
        while True:
            time.sleep(PULSE_SECONDS)
            with self._lock:
                paths = list(self._paths)
                if not paths:
                    self._beats_in = 0
                    return
            for path in paths:
                durable.mark_newest(path)


_pulse = _Pulse()
