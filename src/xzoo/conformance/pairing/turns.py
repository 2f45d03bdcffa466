"""Both sides alive at once as processes, working in short alternating bursts, so that what disturbs one disturbs the other.

What makes the times repeat (docs/benchmarks.md says what is measured of it): both sides share one core, one thread each;
memory comes in huge pages, which leave less to chance in how a process lies in the caches; malloc keeps what it got, so that
activations are not mapped and zeroed at every call; the first call of a burst, which finds cold caches, is not counted; bursts
are compared with their neighbours in time alone; and processes are begun anew, for what layout is left.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xzoo.conformance.pairing.decision import Turn, ratio_of
from xzoo.errors import UsageError

WORKER = Path(__file__).with_name("worker.py")
STEADY = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_TOP_PAD_": str(2**28),
}
BURST_S = 0.06
WARMUP_BURSTS = 3
SELDOM = 0.05
"""Waits per call below which the processor's clock sees all of the work."""


@dataclass(frozen=True)
class Work:
    """What is timed on each side: a workload of xzoo.conformance, a backbone and a number of images."""

    name: str
    backbone: str
    batch: int

    def __str__(self) -> str:
        return f"{self.name} {self.backbone} batch {self.batch}"


@dataclass(frozen=True)
class Burst:
    """Median seconds of a call by either clock, and how often a call waited."""

    wall: float
    processor: float
    waits: float


@dataclass(frozen=True, eq=False)
class Instance:
    """A process of one side."""

    process: subprocess.Popen[str]

    def told(self, line: str) -> str:
        """Send a line and return the answer. Raises RuntimeError where the process has ended."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a worker ended with {self.process.wait()}")
        return answer

    def burst(self, calls: int) -> Burst:
        """Return what a burst of calls took."""
        answer: dict[str, Any] = json.loads(self.told(str(calls)))
        return Burst(statistics.median(answer["wall"]), statistics.median(answer["processor"]), answer["waits"] / calls)


@contextlib.contextmanager
def started(trees: Sequence[Path], work: Work) -> Iterator[list[Instance]]:
    """Yield a fresh process for each tree, ready to work, and end them afterwards. They begin in a random order."""
    instances: dict[int, Instance] = {}
    try:
        for place in random.sample(range(len(trees)), len(trees)):
            instances[place] = Instance(
                subprocess.Popen(
                    # -P: the worker's own folder is no place to import from.
                    [sys.executable, "-P", str(WORKER)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, **STEADY, **_found(trees[place])},
                    cwd=trees[place],
                )
            )
        for instance in instances.values():
            if instance.told(f"{work.name} {work.backbone} {work.batch}").strip() != "ready":
                raise UsageError(
                    f"{work.backbone} comes from elsewhere, not from {' or '.join(map(str, trees))}",
                    "begin in the folder of the repository that declares it",
                )
        _share_a_core([instance.process.pid for instance in instances.values()])
        yield [instances[place] for place in range(len(trees))]
    finally:
        for instance in instances.values():
            instance.process.kill()
            instance.process.communicate()


def _share_a_core(processes: Sequence[int]) -> None:
    """Pin processes, idle but for one, to one core drawn at random, and put them before all others, where the system lets us."""
    core = random.choice(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else 0
    for process in processes:
        with contextlib.suppress(PermissionError, AttributeError):
            os.sched_setaffinity(process, {core})
            os.setpriority(os.PRIO_PROCESS, process, -20)


def _found(tree: Path) -> Mapping[str, str]:
    """Let a process import from the tree; where that is not xzoo itself, from where this process does behind it."""
    is_xzoo = (tree / "src" / "xzoo").is_dir()
    places = [tree / "src", tree / "plugins"] if is_xzoo else [tree / "src", tree, *(place for place in sys.path if place)]
    return {"PYTHONPATH": os.pathsep.join(map(str, places))}


def log_ratios(instances: Sequence[Instance], rounds: int) -> list[float]:
    """Return the logarithm of each later instance's time over the first's: the median over rounds of neighbouring bursts.

    A round is a palindrome, A B C C B A, so that a steady drift of the machine falls on all alike. The processor's clock counts,
    which stands still while others have the core; where calls wait (for a lock, a disk, another thread) the wall's does.
    """
    seconds = [instance.burst(3).processor for instance in instances for _ in range(WARMUP_BURSTS)]
    calls = max(1, round(BURST_S / statistics.median(seconds)))
    spent: list[list[list[Burst]]] = []
    for _ in range(rounds):
        order = random.sample(range(len(instances)), len(instances))
        bursts: list[list[Burst]] = [[] for _ in instances]
        for place in [*order, *reversed(order)]:
            bursts[place].append(instances[place].burst(calls))
        spent.append(bursts)
    clock = clock_of([burst for bursts in spent for both in bursts for burst in both])
    return [
        statistics.median(math.log(_sum(bursts[place], clock) / _sum(bursts[0], clock)) for bursts in spent)
        for place in range(1, len(instances))
    ]


def clock_of(bursts: Sequence[Burst]) -> str:
    """Return the clock that sees all of the work: the processor's, unless calls wait."""
    return "processor" if statistics.fmean(burst.waits for burst in bursts) < SELDOM else "wall"


def _sum(bursts: Sequence[Burst], clock: str) -> float:
    return sum(burst.wall if clock == "wall" else burst.processor for burst in bursts)


def compared(trees: Sequence[Path], work: Work, *, pairs: int, rounds: int) -> list[list[float]]:
    """Return for each tree after the first its log ratio to the first in every set of fresh processes."""
    rows = []
    for _ in range(pairs):
        with started(trees, work) as instances:
            rows.append(log_ratios(instances, rounds))
    return [list(column) for column in zip(*rows, strict=True)]


def turn(base: Path, head: Path, work: Work, *, pairs: int, rounds: int) -> Turn:
    """Return one turn: head against base, and a second instance of base as the control."""
    ratios, control = compared([base, head, base], work, pairs=pairs, rounds=rounds)
    return Turn(ratio_of(ratios), ratio_of(control))


def facts() -> dict[str, object]:
    """Return what tells this machine from another, and how busy it is."""
    return {
        "platform": platform.platform(terse=True),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
