"""Which process something on a disk belongs to, and whether that process lives: no clock has a say in it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Owner:
    """A process. `machine` is one boot of one machine as its containers see it, `began` tells a number's processes apart."""

    machine: str
    pid: int
    began: int

    def __str__(self) -> str:
        return f"{self.machine}-{self.pid}-{self.began}"

    def is_dead(self) -> bool | None:
        """Whether the process has ended; None where this one cannot see it: another machine's, or another container's."""
        if self.machine != machine():
            return None
        began = _began(self.pid)
        return began is None or (0 not in {began, self.began} and began != self.began)


def this() -> Owner:
    """Return the owner that this process is."""
    return Owner(machine(), os.getpid(), _began(os.getpid()) or 0)


def parse(words: str) -> Owner | None:
    """Return the owner that is written in a name, or None where none is."""
    found = re.search(r"([0-9a-f]{10})-(\d{1,10})-(\d{1,20})", words)
    return Owner(found[1], int(found[2]), int(found[3])) if found else None


@cache
def machine() -> str:
    """Return what tells this boot of this machine, as seen from this container, from others."""
    seen = [socket.gethostname()]
    with contextlib.suppress(OSError):
        seen.append((_PROC / "sys/kernel/random/boot_id").read_text())
    with contextlib.suppress(OSError):
        seen.append(os.readlink(_PROC / "self/ns/pid"))  # noqa: PTH115
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:10]


def _began(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None where there is none. 0 where nobody says when."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return _answers(pid)  # no /proc, or one that hides the processes of others
    words = stat[stat.rindex(b")") + 2 :].split()
    return None if words[0] in {b"Z", b"X"} else int(words[19])


def _answers(pid: int) -> int | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return 0
    return 0
