"""A thread per rank that hears when another one dies or gives up, and ends this process where it hangs waiting for it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from xzoo import owner
from xzoo.errors import UnavailableError, XzooError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

PERIOD = 0.5
PATIENCE = 15.0
"""Seconds without a beat after which a rank of another machine counts as dead; of this one the system says who lives."""

GRACE = 3.0
"""Seconds in which the thread that trains may notice by itself, and end in order, before this one ends the process."""

Tell = Callable[[XzooError], int]


class RankError(UnavailableError):
    """A rank that others need has ended, or has given up."""


@dataclass(eq=False)
class Pulse:
    """Beats for rank `rank` of `count` in a store, its own connection, and looks at the beats of the others.

    `tell` shows an error and returns the exit code that belongs to it; of all that still live, the lowest rank tells.
    """

    rank: int
    count: int
    store: Store
    tell: Tell
    _closed: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _owners: dict[int, tuple[owner.Owner | None, str]] = field(default_factory=dict)
    _beats: dict[int, tuple[str, float]] = field(default_factory=dict)
    _dead: set[int] = field(default_factory=set)
    _found: RankError | None = None
    _stderr: TextIO = field(default_factory=lambda: sys.stderr)

    def start(self) -> None:
        """Say which process this is, and begin to beat and look."""
        told = {"owner": str(owner.this()), "machine": os.uname().nodename}
        self.store.set(f"rank/{self.rank}", json.dumps(told))
        self._beat(0)
        threading.Thread(target=self._run, name="xzoo-ranks", daemon=True).start()

    def stop(self, error: XzooError) -> None:
        """Tell the others that this rank gives up, and why; the first one's word counts."""
        told = {"rank": self.rank, "text": error.text, "remedy": error.remedy, "machine": os.uname().nodename}
        with contextlib.suppress(RuntimeError):  # the store has gone with the rank that kept it
            self.store.compare_set("stop", "", json.dumps(told))

    def close(self) -> None:
        """Look no more: what is left is this process's own affair."""
        self._closed.set()

    def trouble(self, seconds: float = 0.0) -> RankError | None:
        """Return which other rank has ended or given up, as far as it can be seen within so many seconds."""
        until = time.monotonic() + seconds
        while self._look() is None and time.monotonic() < until:
            time.sleep(0.05)
        return self._found

    @property
    def tells(self) -> bool:
        """Whether this is the rank that tells what happened: the lowest that lives."""
        return self.rank == min(set(range(self.count)) - self._dead)

    def outlive(self, rank: int, seconds: float) -> None:
        """Wait until another rank has ended, but not for longer: a launcher that sees one end ends the others."""
        until = time.monotonic() + seconds
        with contextlib.suppress(RuntimeError):  # the store ends with its keeper, which is the launcher or that rank
            while time.monotonic() < until and not self._is_dead(rank):
                time.sleep(0.05)

    def _run(self) -> None:
        number = 0
        while not self._closed.wait(PERIOD):
            number += 1
            if self._look(number) is None:
                continue
            if not self._closed.wait(GRACE):
                self._end()
            return

    def _end(self) -> None:
        """End a process whose training waits for a rank that will never answer."""
        assert self._found is not None
        code = self._found.exit_code
        # A closed terminal must not keep it alive; a rank that was silent so far has the word now.
        with contextlib.suppress(Exception), contextlib.redirect_stderr(self._stderr):
            code = self.tell(self._found) if self.tells else code
            self._stderr.flush()
        os._exit(code)

    def _look(self, number: int | None = None) -> RankError | None:
        with self._lock:
            try:
                if number is not None:
                    self._beat(number)
                self._found = self._found or self._given_up() or self._died()
            except RuntimeError:  # torch's own kinds, all of them: the store has gone, perhaps with a rank
                self._found = self._found or self._died(only_seen=True) or _lost_store()
            return self._found

    def _beat(self, number: int) -> None:
        self.store.set(f"beat/{self.rank}", str(number))

    def _given_up(self) -> RankError | None:
        if not self.store.check(["stop"]):
            return None
        told: Mapping[str, Any] = json.loads(self.store.get("stop"))
        if told["rank"] == self.rank:
            return None
        return RankError(f"rank {told['rank']} of {self.count}, on {told['machine']}: {told['text']}", told["remedy"])

    def _died(self, *, only_seen: bool = False) -> RankError | None:
        is_dead = self._is_seen_dead if only_seen else self._is_dead
        self._dead |= {rank for rank in range(self.count) if rank != self.rank and is_dead(rank)}
        if not self._dead:
            return None
        rank = min(self._dead)
        process, machine = self._owners[rank]
        what = f"process {process.pid} on {machine}" if process else machine
        return RankError(
            f"rank {rank} of {self.count} ({what}) ended before its work was done, and the others cannot go on without it",
            "see what ended it: memory, a signal, its machine; the same command goes on from the last checkpoint",
        )

    def _is_seen_dead(self, rank: int) -> bool | None:
        """Whether a rank's process has ended; None where it cannot be seen from here."""
        process, _ = self._owners.get(rank, (None, ""))
        return process.is_dead() if process else None

    def _is_dead(self, rank: int) -> bool:
        if rank not in self._owners and self.store.check([f"rank/{rank}", f"beat/{rank}"]):
            told = json.loads(self.store.get(f"rank/{rank}"))
            self._owners[rank] = (owner.parse(told["owner"]), told["machine"])
        is_dead = self._is_seen_dead(rank)
        if is_dead is not None or rank not in self._owners:
            return bool(is_dead)
        now, beat = time.monotonic(), self.store.get(f"beat/{rank}").decode()
        last, since = self._beats.get(rank, ("", now))
        self._beats[rank] = (beat, since if beat == last else now)
        return now - self._beats[rank][1] > PATIENCE


def _lost_store() -> RankError:
    return RankError(
        "the ranks' store does not answer any more: the launcher, or the rank that kept it, has ended",
        "see what ended it; the same command goes on from the last checkpoint",
    )
