"""What 52 frozen cells cost beside one, and 52 heads beside one: in turns, as ratios.

    python tests/benchmarks/heads.py DATA [TURNS]

DATA is a folder of images. Cells are whole processes with cold caches, feature pass included; heads are trained alone, in this
process, on features that are already there: 512 of them, 1600 images, 10 epochs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np
import torch

from xzoo.train.heads import HeadTask, train_heads
from xzoo.train.recipe import Recipe

RATES = tuple(0.0005 * 1.2**place for place in range(13))
MAIN = "import sys; from xzoo.cli import main; sys.exit(main())"


def cells(data: str, extra: Sequence[str]) -> float:
    """Return the seconds of one comparison in a process of its own, with empty caches."""
    with tempfile.TemporaryDirectory() as place:
        words = [
            "compare",
            "resnet18@random",
            "--data",
            data,
            "--freeze",
            "frozen",
            "--no-latency",
            "--runs",
            f"{place}/runs",
            *extra,
        ]
        began = time.perf_counter()
        variables = {**os.environ, "XZOO_CACHE": f"{place}/cache"}
        subprocess.run(
            [sys.executable, "-c", MAIN, *words, "--runs", f"{place}/runs"], env=variables, check=True, capture_output=True
        )
        return time.perf_counter() - began


def heads(count: int) -> float:
    """Return the seconds of training so many heads: seeds 0 to 3, each with every rate."""
    generator = torch.Generator().manual_seed(0)
    inputs_ND = torch.cat([torch.randn(2000, 512, generator=generator), torch.ones(2000, 1)], 1)
    labels_N = (inputs_ND[:, 0] > 0).long().numpy()
    recipes = [(seed, Recipe(lr=rate)) for rate in RATES for seed in range(4)][:count]
    tasks = [HeadTask(recipe, seed, torch.zeros(2, 513), inputs_ND, labels_N, np.arange(1600), 2) for seed, recipe in recipes]
    began = time.perf_counter()
    for _ in train_heads(tasks):
        pass
    return time.perf_counter() - began


def told(what: str, pairs: Sequence[tuple[float, float]]) -> str:
    """Return the ratio of many to one, its spread, and both medians."""
    ratios = [many / one for one, many in pairs]
    ones, manys = (statistics.median(side) for side in zip(*pairs, strict=True))
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"{what}: {statistics.median(ratios):.2f} times one ({spread}, n {len(pairs)}); one {ones:.2f} s, 52 {manys:.2f} s"


def main(data: str, turns: int) -> None:
    """Measure both and print the ratios."""
    rates = ["--vary", "lr=" + ",".join(f"{rate:.6f}" for rate in RATES), "--seeds", "4"]
    heads(2)
    print(told("52 heads", [(heads(1), heads(52)) for _ in range(3 * turns)]), flush=True)
    print(told("52 cells", [(cells(data, ["--seeds", "1"]), cells(data, rates)) for _ in range(turns)]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
