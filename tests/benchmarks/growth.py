"""How the cost of a comparison grows with backbones, seeds, cells, classes and images: whole processes, cold caches.

    python tests/benchmarks/growth.py [SERIES ...] [--turns 3] [--small]

Series: backbones, seeds, cells, classes, images, and colour, which has one case; all without any. The networks are ResNet-18s,
or with --small four of two convolutions, so that what is seen is xzoo's own work. Prints a table of seconds (the median of the
turns), their ratio to the row's smallest case, and peak resident memory; below it, for each series, the exponent b of
seconds = a * n^b and of memory, with its 95% interval (least squares on logarithms): at most 1 is linear or better.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

BACKBONES = ("resnet18@random", "resnet18@random:1", "resnet18@random:2", "resnet18@random:3")
SMALL = tuple(f"{Path(__file__).with_name('growth_nets.py')}:{name}" for name in ("first", "second", "third", "fourth"))
SIZE = 64

Cost = tuple[float, float]


@dataclass(frozen=True)
class Case:
    """One comparison: the first backbones, so many seeds, classes, and images in all. `size` is what grows in its series.

    Images are phantoms, unless there are more classes or channels than theirs.
    """

    series: str
    size: int
    backbones: int = 1
    seeds: int = 1
    images: int = 1000
    classes: int = 2
    channels: int = 1
    freeze: str = "frozen"

    def words(self, names: Sequence[str], place: Path) -> list[str]:
        """Return the arguments of the command line; data that are no phantoms are written below `place` first."""
        part = self.images // 5
        data = f"phantom:train={3 * part},val={part},test={part},size={SIZE}"
        if self.classes > 2 or self.channels > 1:
            data = str(place / "data.npz")
            images = drawn(self)
            np.savez(data, allow_pickle=False, **images)
        asked = ["--data", data, "--freeze", self.freeze, "--seeds", str(self.seeds), "--no-latency", "--set", f"size={SIZE}"]
        return ["compare", *names[: self.backbones], *asked, "--set", "epochs=3"]


CASES = (
    *(Case("backbones", count, backbones=count) for count in (1, 2, 4)),
    *(Case("seeds", count, seeds=count) for count in (1, 3, 9)),
    *(Case("cells", 8 * count, backbones=4, seeds=count, freeze="frozen,finetune", images=500) for count in (1, 2, 4)),
    *(Case("classes", count, classes=count, images=5000) for count in (10, 100, 1000)),
    *(Case("images", count, images=count) for count in (1000, 4000, 16_000)),
    Case("colour", 20_000, images=20_000, classes=1000, channels=3, freeze="frozen,finetune"),
)


def drawn(case: Case) -> dict[str, NDArray[Any]]:
    """Return images of 32 pixels whose classes are told by where they are bright, in splits, as MedMNIST names them."""
    random, side = np.random.default_rng(case.size), 32
    found: dict[str, NDArray[Any]] = {}
    places = random.integers(0, side - 8, (case.classes, 2))
    for split, share in (("train", 3), ("val", 1), ("test", 1)):
        count = case.images * share // 5
        labels_N = np.arange(count) % case.classes
        shape = (count, side, side, case.channels) if case.channels > 1 else (count, side, side)
        images_N = random.integers(0, 128, shape, dtype=np.uint8)
        for image, label in zip(images_N, labels_N, strict=True):
            top, left = places[label]
            image[top : top + 8, left : left + 8] += 100
        found |= {f"{split}_images": images_N, f"{split}_labels": labels_N[:, None]}
    return found


def run(case: Case, names: Sequence[str]) -> Cost:
    """Return the seconds and the peak memory, in MiB, of one comparison in a process of its own."""
    main = "import sys; from xzoo.cli import main; sys.exit(main())"
    with tempfile.TemporaryDirectory() as place:
        words = case.words(names, Path(place))
        variables = {**os.environ, "XZOO_CACHE": f"{place}/cache"}
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-c", main, *words, "--runs", f"{place}/runs"],
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)} exited {process.returncode}")
        return time.perf_counter() - began, used.ru_maxrss / 2**10


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float, float]:
    """Return b of cost = a * size^b and the ends of its 95% interval, by least squares on logarithms."""
    fitted = stats.linregress(np.log(sizes), np.log(costs))
    margin = float(stats.t.ppf(0.975, len(sizes) - 2)) * float(fitted.stderr) if len(sizes) > 2 else math.inf
    slope = float(fitted.slope)
    return slope, slope - margin, slope + margin


def rows(cases: Sequence[Case], names: Sequence[str], turns: int) -> Iterator[str]:
    """Yield the table's lines, and those of the exponents."""
    found: dict[Case, list[Cost]] = {case: [] for case in cases}
    for _ in range(turns):
        for case in cases:
            found[case].append(run(case, names))
            seconds, memory = found[case][-1]
            print(f"{case.series} {case.size}: {seconds:.1f} s, {memory:.0f} MiB", file=sys.stderr, flush=True)
    head = "grows | backbones | seeds | classes | channels | images | seconds | times the first | peak MiB"
    yield f"| {head} |\n|{'---|' * 9}"
    first: dict[str, float] = {}
    for case, costs in found.items():
        seconds = statistics.median(one for one, _ in costs)
        ratio = seconds / first.setdefault(case.series, seconds)
        asked = f"{case.backbones} | {case.seeds} | {case.classes:,} | {case.channels} | {case.images:,}"
        yield f"| {case.series} | {asked} | {seconds:.1f} | {ratio:.2f} | {max(one for _, one in costs):,.0f} |"
    yield "\n| grows | seconds: exponent | memory: exponent | n |\n|---|---|---|---|"
    for series in dict.fromkeys(case.series for case in cases):
        points = [(case.size, *cost) for case, costs in found.items() if case.series == series for cost in costs]
        if len({size for size, _, _ in points}) > 1:
            sizes, seconds_N, memory_N = zip(*points, strict=True)
            told = [
                f"{b:.2f} ({low:.2f} to {high:.2f})" for b, low, high in (exponent(sizes, seconds_N), exponent(sizes, memory_N))
            ]
            yield f"| {series} | {told[0]} | {told[1]} | {len(points)} |"


def main() -> None:
    """Print the tables of the series that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = tuple(dict.fromkeys(case.series for case in CASES))
    parser.add_argument("series", nargs="*", choices=(*known, []), metavar="SERIES")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    cases = [case for case in CASES if not asked.series or case.series in asked.series]
    for line in rows(cases, SMALL if asked.small else BACKBONES, asked.turns):
        print(line, flush=True)


if __name__ == "__main__":
    main()
