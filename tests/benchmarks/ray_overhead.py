"""What `--launcher ray` costs beyond the work of the cells: seconds for each cell, and how they grow with cells and nodes.

Usage: PYTHONPATH=src:plugins:tests/compare python tests/benchmarks/ray_overhead.py [--cells 4,16,48] [--nodes 1,2] [--repeats 3]

Nodes of one core each are started on 127.0.0.1. A cell fine-tunes a small network for two epochs, on one thread. The first plan
of a cluster begins its workers, which import torch; it is told as `first_s`. Then each plan is computed in turn by this process
and by the cluster. `own_s` are the seconds that a cell's result tells of itself, on the cluster; `overhead_s` is what is left
of the cluster's wall time, times its nodes, for each cell. Prints a JSON object and a row of a table for each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray_nodes import nodes

from xzoo.compare import api
from xzoo.compare.cluster import connection
from xzoo.compare.experiment import CellEnded
from xzoo.train.device import choose

NET = str(Path(__file__).parents[1] / "compare" / "ray_nets.py") + ":four"
DATA = "phantom:train=64,val=32,test=32,size=32"
RECIPE = {"epochs": 2, "batch_size": 16, "precision": "fp32"}


def wall(num_cells: int, runs: Path, launcher: str) -> tuple[float, float]:
    """Return the seconds in which a plan of so many cells is computed, packed before, and those that the cells tell of."""
    plan = api.make_plan([NET], DATA, freeze=["finetune"], seeds=num_cells, recipe=RECIPE, latency=False)
    began = time.perf_counter()
    own = 0.0
    with closing(api.carry_out(plan, runs, choose("cpu", "fp32"), launcher)) as events:
        for event in events:
            if isinstance(event, CellEnded) and event.result.seconds is not None:
                own += sum(asdict(event.result.seconds).values())
    return time.perf_counter() - began, own


def measured(num_nodes: int, cells: Sequence[int], repeats: int, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each number of cells on so many nodes."""
    place = Path(tempfile.mkdtemp(prefix="xz-", dir="/tmp"))
    with nodes(num_nodes, place) as started:
        os.environ.update(started.environment)
        with connection.connected():
            first, _ = wall(2 * num_nodes, folder / "first", "ray")
            return [row(num_nodes, count, repeats, folder / str(count)) | {"first_s": first} for count in cells]


def row(num_nodes: int, num_cells: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Return the medians of plans computed in turn here and there."""
    here, there, own, extra = [], [], [], []
    for repeat in range(repeats):
        here.append(wall(num_cells, folder / f"local-{repeat}", "local")[0])
        seconds, told_by_cells = wall(num_cells, folder / f"ray-{repeat}", "ray")
        there.append(seconds)
        own.append(told_by_cells / num_cells)
        extra.append((num_nodes * seconds - told_by_cells) / num_cells)
    return {
        "nodes": num_nodes,
        "cells": num_cells,
        "n": repeats,
        "local_s": statistics.median(here),
        "ray_s": statistics.median(there),
        "own_s": statistics.median(own),
        "overhead_s": statistics.median(extra),
        "least_s": min(extra),
        "most_s": max(extra),
    }


def told(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as a table in Markdown."""
    names = ("nodes", "cells", "n", "here, s", "cluster, s", "own, s a cell", "overhead, s a cell (least to most)")
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for one in rows:
        spread = f"{one['overhead_s']:.3f} ({one['least_s']:.3f} to {one['most_s']:.3f})"
        times = f"{one['local_s']:.2f} | {one['ray_s']:.2f} | {one['own_s']:.3f}"
        lines.append(f"| {one['nodes']} | {one['cells']} | {one['n']} | {times} | {spread} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print JSON and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("cells", "4,16,48"), ("nodes", "1,2")):
        parser.add_argument(f"--{name}", type=lambda text: [int(word) for word in text.split(",")], default=default)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XZOO_CACHE"] = f"{folder}/cache"
        for num_nodes in asked.nodes:
            rows += measured(num_nodes, asked.cells, asked.repeats, Path(folder) / str(num_nodes))
    print(json.dumps(rows, indent=1))
    print(told(rows))


if __name__ == "__main__":
    main()
