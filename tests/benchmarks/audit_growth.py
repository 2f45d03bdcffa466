"""How an audit grows with the number of images: whole processes, cold caches, drawn radiographs of which some leaked.

    python tests/benchmarks/audit_growth.py [IMAGES ...]      # 6250 25000 100000 without

Prints a table of processor seconds for each part, pairs laid over each other, leaked images found, and peak resident memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

LEAKED = 0.02
ALONE = """
import json, resource, sys, time
from xzoo.audit import reading
marks = [("", time.process_time())]
steps = reading.carry_out(reading.ask(sys.argv[1], backbone=None, group=None, split="", split_seed=None, device="cpu"))
try:
    while True:
        marks.append((next(steps), time.process_time()))
except StopIteration as end:
    marks.append(("", time.process_time()))
    found = end.value
named = {"reading": (1, 2), "looking": (2, 3), "copies": (3, 4), "shift": (4, 5), "whole": (0, 6)}
seconds = {name: marks[b][1] - marks[a][1] for name, (a, b) in named.items()}
leaks = {(one.within, one.of): one.count for one in found.leaks}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
told = {"seconds": seconds, "copies": found.num_copies, "leaked": leaks.get(("train", "test"), 0), "peak": peak}
print(json.dumps(told))
"""


def run(images: int) -> dict[str, Any]:
    """Return what an audit of so many drawn radiographs of 32 pixels costs and finds, in a process of its own."""
    part = images // 5
    data = f"phantom:train={3 * part},val={part},test={part},size=32,leakage={LEAKED}"
    with tempfile.TemporaryDirectory() as place:
        variables = {**os.environ, "XZOO_CACHE": f"{place}/cache", "TORCH_HOME": f"{place}/torch"}
        done = subprocess.run([sys.executable, "-c", ALONE, data], env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(counts: list[int]) -> Iterator[str]:
    """Yield the table's lines."""
    head = "images | reading s | looking s | copies s | times the first | shift s | whole s | pairs found | leaked, of planted"
    yield f"| {head} | peak MiB |\n|{'---|' * 10}"
    first: tuple[int, float] | None = None
    for count in counts:
        found = run(count)
        seconds = found["seconds"]
        first = first or (count, seconds["copies"])
        ratio = f"{seconds['copies'] / first[1]:.1f} of {count / first[0]:.0f}"
        times = [f"{seconds[name]:.0f}" for name in ("reading", "looking", "copies")]
        rest = [f"{seconds['shift']:.0f}", f"{seconds['whole']:.0f}", f"{found['copies']:,}"]
        planted = f"{found['leaked']:,} of {int(count // 5 * LEAKED + 0.5):,}"
        yield f"| {count:,} | {' | '.join([*times, ratio, *rest, planted])} | {found['peak']:,.0f} |"


if __name__ == "__main__":
    for line in rows([int(word) for word in sys.argv[1:]] or [6_250, 25_000, 100_000]):
        print(line, flush=True)
