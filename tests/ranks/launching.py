"""Ranks on this machine: by torchrun, or as a scheduler starts them, one process and its environment each."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

BOUND = 240.0
"""Seconds in which everything started here ends; who needs more hangs."""


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def torchrun(words: Sequence[str], cwd: Path, count: int = 2, **variables: str) -> subprocess.Popen[str]:
    """Begin `torchrun WORDS` with so many ranks of a thread each."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count), "--master-port", str(free_port())]
    return _started([*launcher, *words], cwd, variables)


def by_hand(words: Sequence[str], cwd: Path, count: int, **variables: str) -> list[subprocess.Popen[str]]:
    """Begin `python WORDS` so many times, as ranks that a scheduler has placed; the leader keeps their store."""
    place = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), **variables}
    return [_started([sys.executable, *words], cwd, {**place, "RANK": str(rank)}) for rank in range(count)]


def _started(words: Sequence[str], cwd: Path, variables: Mapping[str, str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.Popen(list(words), cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[str], seconds: float = BOUND) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a process, which must end within so many seconds."""
    try:
        out, told = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, told


def rank_of(launcher: subprocess.Popen[str], rank: int) -> int:
    """Return the process of a rank that torchrun has started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text()
            parent = int(stat[stat.rindex(")") + 2 :].split()[1])
            if parent == launcher.pid and f"RANK={rank}" in (folder / "environ").read_text().split("\0"):
                return int(folder.name)
        except OSError:
            continue
    raise LookupError(f"no rank {rank} runs")


def until(seen: Callable[[], bool], process: subprocess.Popen[str], seconds: float = BOUND) -> None:
    """Wait until something is seen, while the process runs."""
    end = time.monotonic() + seconds
    while not seen():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it was never seen"
        time.sleep(0.01)
