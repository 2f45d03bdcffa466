"""How ranks that torchrun started find each other, and how they part. No torch at module level: most are alone."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from xzoo.errors import UnavailableError, UsageError, XzooError
from xzoo.train.pulse import GRACE, Pulse, RankError, Tell
from xzoo.train.ranks import Ranks
from xzoo.train.signals import heeded

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

CONNECT_SECONDS = "XZOO_RANKS_SECONDS"
_DEFAULT_SECONDS = 60.0
_STEP = timedelta(hours=2)
"""How long a sum may take: long, since the leader may be writing meanwhile. Who dies is heard of by the pulse."""

_NAMES = ("RANK", "MASTER_ADDR", "MASTER_PORT")
_LEAVE = 5.0
_meetings = itertools.count()


@dataclass(frozen=True)
class Meeting:
    """Where ranks meet, as torchrun's environment says: this one is number `rank` of `count`, and `local` on its machine."""

    rank: int
    count: int
    local: int
    num_local: int
    host: str
    port: int
    has_server: bool

    def kind(self, asked: str) -> str:
        """Return the device of this rank: of the GPUs of its machine its own, where there are any. Raises XzooError."""
        import torch

        if re.fullmatch(r"cuda:\d+", asked):
            raise UsageError(
                f"--device {asked} is one device, and there are {self.count} ranks", "use --device cuda: each takes its own"
            )
        if asked == "cpu" or (asked == "auto" and not torch.cuda.is_available()) or asked not in {"auto", "cuda"}:
            return asked
        if self.local >= torch.cuda.device_count() > 0:
            raise UnavailableError(
                f"rank {self.rank} has no GPU: its machine has {torch.cuda.device_count()}, for {self.num_local} ranks",
                f"start torchrun with --nproc-per-node {torch.cuda.device_count()}, or use --device cpu",
            )
        return f"cuda:{self.local}" if torch.cuda.is_available() else asked


def meeting(environ: Mapping[str, str]) -> Meeting | None:
    """Return where the ranks meet; None for a process that is alone. Raises UsageError for half an environment."""
    words = environ.get("WORLD_SIZE", "")
    if words in {"", "1"}:
        return None
    lacking = [name for name in _NAMES if not environ.get(name)]
    try:
        count, rank, port = int(words), int(environ.get("RANK") or 0), int(environ.get("MASTER_PORT") or 0)
        local, num_local = int(environ.get("LOCAL_RANK") or rank), int(environ.get("LOCAL_WORLD_SIZE") or 0)
    except ValueError:
        count = rank = port = local = num_local = -1
    if lacking or not 0 <= rank < count:
        what = f"{' and '.join(lacking)} {'are' if len(lacking) > 1 else 'is'} not set" if lacking else "the others do not fit it"
        raise UsageError(
            f"WORLD_SIZE={words} says that this is one of several ranks, and {what}",
            "start ranks with torchrun --nproc-per-node 2 -m xzoo compare ..., or unset WORLD_SIZE",
        )
    has_server = environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return Meeting(rank, count, local, num_local, environ["MASTER_ADDR"], port, has_server)


@contextlib.contextmanager
def connected(place: Meeting, kind: str, tell: Tell | None) -> Iterator[Ranks]:
    """Yield the ranks, all of them there; where one fails or dies, end here too, and have it told once.

    With `tell` the error is shown and SystemExit raised, and without it RankError is raised. Ranks other than the leader ignore
    SIGINT and SIGTERM and end when it does. Raises UnavailableError where the ranks cannot meet in time.
    """
    seconds = timedelta(seconds=_seconds())
    number = next(_meetings)
    store, heard = (_within(_store(place, seconds, is_second=second), number) for second in (False, True))
    pulse = Pulse(place.rank, place.count, heard, tell or _written)
    ranks = Ranks(place.rank, place.count, place.local, store)
    with heeded(is_leader=place.rank == 0):
        pulse.start()
        try:
            with _group(place, kind, store, seconds):
                yield ranks
                ranks.gathered(None)
                pulse.close()
        except BaseException as error:
            _parted(error, pulse, tell)
            raise


def _parted(error: BaseException, pulse: Pulse, tell: Tell | None) -> None:
    """Tell others what ended this rank, or end as they ask; returns where the caller's own error is the one to tell."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a launcher that saw a rank end wants what happens already
    if isinstance(error, XzooError):
        cause = error if isinstance(error, RankError) else None
    else:
        cause = pulse.trouble(GRACE if isinstance(error, Exception) else 0.0)
    pulse.close()
    if cause is None:
        pulse.stop(_explained(error))
    if cause is None and pulse.rank == 0:
        return
    if cause is not None and pulse.tells:
        pulse.stop(cause)
        if tell is None:
            raise cause from error
        raise SystemExit(tell(cause)) from error
    pulse.outlive(0, _LEAVE)
    raise SystemExit(cause.exit_code if cause else 1) from error


def _explained(error: BaseException) -> XzooError:
    if isinstance(error, XzooError):
        return error
    if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
        return RankError("it was ended", "run the same command again: it goes on from what is kept")
    return RankError(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", "see its machine, or run it with one rank")


def _store(place: Meeting, seconds: timedelta, *, is_second: bool = False) -> Store:
    from torch._C._distributed_c10d import TCPStore

    serves = place.rank == 0 and not place.has_server and not is_second
    try:
        if not serves:
            _await_server(place, seconds.total_seconds())
        return TCPStore(place.host, place.port, place.count, serves, seconds, wait_for_workers=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unmet(place, error) from error


def _await_server(place: Meeting, seconds: float) -> None:
    """Wait until something answers at the store's place: torch's own waiting writes its stack to the screen. Raises OSError."""
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        try:
            socket.create_connection((place.host, place.port), max(0.1, left)).close()
        except OSError:
            if left <= 0:
                raise
            time.sleep(0.1)
        else:
            return


def _within(store: Store, number: int) -> Store:
    """Return the part of a store that this meeting has for itself: a launcher may start ranks again, and a program meet again."""
    from torch.distributed.distributed_c10d import PrefixStore

    return PrefixStore(f"xzoo/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}/{number}", store)


@contextlib.contextmanager
def _group(place: Meeting, kind: str, store: Store, seconds: timedelta) -> Iterator[None]:
    """Have torch's process group inside: NCCL for tensors on GPUs, gloo for those on the host."""
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore

    if place.num_local == place.count and (loop := _loopback()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loop)  # one machine: whatever its name resolves to
    if kind.startswith("cuda"):
        torch.cuda.set_device(torch.device(kind))
    backend = "cpu:gloo,cuda:nccl" if kind.startswith("cuda") else "gloo"
    try:
        _await_ranks(place, store, seconds.total_seconds())
        dist.init_process_group(
            backend, store=PrefixStore("group", store), rank=place.rank, world_size=place.count, timeout=_STEP
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise _unmet(place, error) from error
    yield
    dist.destroy_process_group()


def _await_ranks(place: Meeting, store: Store, seconds: float) -> None:
    """Wait until every rank has said which process it is. Raises TimeoutError."""
    until = time.monotonic() + seconds
    while missing := [rank for rank in range(place.count) if not store.check([f"rank/{rank}"])]:
        if time.monotonic() > until:
            raise TimeoutError(f"rank {missing[0]} did not come within {seconds:.0f} s")
        time.sleep(0.05)


def _unmet(place: Meeting, error: Exception) -> UnavailableError:
    detail = " ".join(str(error).split())[:200]
    return UnavailableError(
        f"rank {place.rank} of {place.count} did not meet the others at {place.host}:{place.port}: {detail}",
        f"start all ranks with torchrun, on machines that reach that place; {CONNECT_SECONDS} is how long they wait",
    )


def _seconds() -> float:
    word = os.environ.get(CONNECT_SECONDS, "").strip()
    try:
        seconds = float(word) if word else _DEFAULT_SECONDS
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise UsageError(
            f"{CONNECT_SECONDS}={word} is no number of seconds", "give how long ranks wait for each other, such as 60"
        )
    return seconds


def _loopback() -> str:
    return next((name for _, name in socket.if_nameindex() if name in {"lo", "lo0"}), "")


def _written(error: XzooError) -> int:
    import sys

    sys.stderr.write(f"error: {error.text}\n  {error.remedy}\n")
    return error.exit_code
