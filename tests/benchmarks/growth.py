"""How the cost of a frozen comparison grows with backbones, seeds and images: whole processes, cold caches, one after the other.

    python tests/benchmarks/growth.py [TURNS]

Prints a table of seconds (the median of the turns), their ratio to the row's smallest case, and peak resident memory.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

BACKBONES = ("resnet18@random", "resnet18@random:1", "resnet18@random:2", "resnet18@random:3")
SIZE = 64


@dataclass(frozen=True)
class Case:
    """One comparison: the first backbones, so many seeds, so many images in all."""

    series: str
    backbones: int = 1
    seeds: int = 1
    images: int = 1000

    @property
    def words(self) -> list[str]:
        """The arguments of the command line."""
        part = self.images // 5
        data = f"phantom:train={3 * part},val={part},test={part},size={SIZE}"
        asked = ["--data", data, "--freeze", "frozen", "--seeds", str(self.seeds), "--no-latency", "--set", f"size={SIZE}"]
        return ["compare", *BACKBONES[: self.backbones], *asked]


CASES = (
    *(Case("backbones", backbones=count) for count in (1, 2, 4)),
    *(Case("seeds", seeds=count) for count in (1, 3, 9)),
    *(Case("images", images=count) for count in (1000, 4000, 16000)),
)


def run(case: Case) -> tuple[float, float]:
    """Return the seconds and the peak memory, in MiB, of one comparison in a process of its own."""
    main = "import sys; from xzoo.cli import main; sys.exit(main())"
    with tempfile.TemporaryDirectory() as place:
        variables = {**os.environ, "XZOO_CACHE": f"{place}/cache"}
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", main, *case.words, "--runs", f"{place}/runs"],
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(case.words)} exited {process.returncode}")
        return time.perf_counter() - began, used.ru_maxrss / 2**10


def rows(turns: int) -> Iterator[str]:
    """Yield the table's lines."""
    found: dict[Case, list[tuple[float, float]]] = {case: [] for case in CASES}
    for _ in range(turns):
        for case in CASES:
            found[case].append(run(case))
    yield "| grows | backbones | seeds | images | seconds | times the first | peak MiB |\n|---|---|---|---|---|---|---|"
    first: dict[str, float] = {}
    for case, times in found.items():
        seconds = statistics.median(one for one, _ in times)
        ratio = seconds / first.setdefault(case.series, seconds)
        memory = max(one for _, one in times)
        asked = f"{case.backbones} | {case.seeds} | {case.images:,}"
        yield f"| {case.series} | {asked} | {seconds:.1f} | {ratio:.2f} | {memory:,.0f} |"


if __name__ == "__main__":
    for line in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        print(line, flush=True)
