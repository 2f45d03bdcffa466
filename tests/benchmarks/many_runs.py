"""What `xzoo runs` costs where there are many: python tests/benchmarks/many_runs.py [RUNS].

The runs are written, not trained: of two backbones, two strategies and three seeds, 12 cells each, plan, outcome and cells as
`compare` leaves them. One run is written, and its files are copied under other names. The figure is the processor time of the
command in a process of its own, the least of five, from the second reading on, since the first one waits for the disk.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from written_run import Wish, write_run

NUM_TIMES = 5


def copies(place: Path, num_runs: int) -> None:
    """Write a run, and so many that are like it; the plan of each bears its own name."""
    first = place / "first"
    write_run(first, Wish(names=("alexnet", "resnet18"), images=200, epochs=10))
    plan, outcome = ((first / name).read_bytes() for name in ("plan.json", "compare.json"))
    cells = sorted(path.name for path in (first / "cells").iterdir())
    manifest = (first / "cells" / cells[0] / "manifest.json").read_bytes()
    for number in range(1, num_runs):
        folder = place / f"{number:012x}"
        for cell in cells:
            (folder / "cells" / cell).mkdir(parents=True)
            (folder / "cells" / cell / "manifest.json").write_bytes(manifest)
        (folder / "plan.json").write_bytes(plan.replace(b'"hash": "first"', f'"hash": "{folder.name}"'.encode()))
        (folder / "compare.json").write_bytes(outcome)
    print(f"{num_runs} runs of {len(cells)} cells, plan {len(plan):,} bytes, outcome {len(outcome):,} bytes")


def seconds(place: Path, form: str, num_runs: int) -> float:
    """Return the processor time of listing them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = "import sys; from xzoo.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", command, "runs", "--runs", str(place), "--format", form]
    told = subprocess.run(words, capture_output=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if form == "json":
        rows = json.loads(told)["runs"]
        assert len(rows) == num_runs
        assert all(row["done"] == row["cells"] == 12 and row["best"] for row in rows)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Write the runs, list them, and print what it took."""
    num_runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="xzoo-runs-") as place:
        copies(Path(place), num_runs)
        for form in ("text", "json"):
            found = [seconds(Path(place), form, num_runs) for _ in range(NUM_TIMES)]
            print(f"xzoo runs --format {form}: {min(found):.2f} s of processor time, n = {NUM_TIMES}, at most {max(found):.2f} s")


if __name__ == "__main__":
    main()
