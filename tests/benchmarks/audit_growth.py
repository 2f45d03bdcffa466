"""How an audit grows with the number of images: whole processes, cold caches, synthetic images of which some leaked.

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
import numpy as np
import xzoo
from xzoo.audit import reading

count, leaked = int(sys.argv[1]), float(sys.argv[2])
random = np.random.default_rng(count)
widen = np.array([np.interp(np.linspace(0, 7, 32), np.arange(8), row) for row in np.eye(8)]).T.astype(np.float32)
images = np.empty((count, 32, 32), np.uint8)
shared = random.standard_normal((8, 8))
for place in range(0, count, 1000):
    coarse = (shared + 0.7 * random.standard_normal((min(1000, count - place), 8, 8))).astype(np.float32)
    images[place : place + 1000] = np.clip(128 + 30 * (widen @ coarse @ widen.T), 0, 255)
part = count // 5
num_copies = round(part * leaked)
copies = images[random.permutation(3 * part)[:num_copies]] + random.normal(0, 3, (num_copies, 32, 32))
images[4 * part : 4 * part + num_copies] = np.clip(copies, 0, 255)
splits = ["train"] * (3 * part) + ["val"] * part + ["test"] * (count - 4 * part)
data = xzoo.arrays(images, np.arange(count) % 2, splits=splits)
marks = [time.process_time()]
steps = reading.carry_out(reading.ask(data, backbone=None, group=None, split="", split_seed=None, device="cpu"))
try:
    while True:
        next(steps)
        marks.append(time.process_time())
except StopIteration as end:
    marks.append(time.process_time())
    found = end.value
named = {"reading": (1, 2), "looking": (2, 3), "copies": (3, 4), "shift": (4, 5), "whole": (0, 6)}
seconds = {name: marks[b] - marks[a] for name, (a, b) in named.items()}
leaks = {(one.within, one.of): one.count for one in found.leaks}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
told = {"seconds": seconds, "copies": found.num_copies, "leaked": leaks.get(("train", "test"), 0), "peak": peak}
print(json.dumps(told))
"""


def run(images: int) -> dict[str, Any]:
    """Return what an audit of so many images of 32 pixels costs and finds, in a process of its own."""
    with tempfile.TemporaryDirectory() as place:
        variables = {**os.environ, "XZOO_CACHE": f"{place}/cache", "TORCH_HOME": f"{place}/torch"}
        command = [sys.executable, "-c", ALONE, str(images), str(LEAKED)]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
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
        planted = f"{found['leaked']:,} of {round(count // 5 * LEAKED):,}"
        yield f"| {count:,} | {' | '.join([*times, ratio, *rest, planted])} | {found['peak']:,.0f} |"


if __name__ == "__main__":
    for line in rows([int(word) for word in sys.argv[1:]] or [6_250, 25_000, 100_000]):
        print(line, flush=True)
