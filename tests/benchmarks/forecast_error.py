"""How far `--dry-run` is off: what it predicts against what the same command then takes.

    OMP_NUM_THREADS=1 python tests/benchmarks/forecast_error.py [WORD ...] > table.md

Processor time of the command's process is measured, since other work on the machine changes it least; predicted are seconds
of one thread. Every command has an empty cache and run folder of its own. pytest does not collect this file.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from xzoo.compare.forecast import foresee

DATA = "phantom:train=96,val=32,test=32,size=128"
NUM_SEEN = 6
"""The first commands were looked at when the costs of workload.py were set, the others only afterwards."""

START = "import sys; from xzoo.cli import main; sys.exit(main())"
COMMANDS = (
    "resnet18 frozen 20", "vgg11 frozen 5", "alexnet finetune 4", "mobilenet_v3_small finetune 4", "densenet121 finetune 2",
    "resnet18 last:1 8", "shufflenet_v2_x1_0 finetune 4", "resnet34 lp-ft 4", "regnet_y_400mf frozen 5",
    "squeezenet1_1 finetune 4", "mnasnet1_0 gradual:1 4", "convnext_tiny frozen 5", "resnet18 finetune 24",
    "googlenet finetune 16",
)  # fmt: skip


def main(words: Sequence[str]) -> None:
    """Print a line for each command, then how far predictions were off."""
    print("| command | predicted s | took s | took / predicted | predicted GB | took GB |\n|---|---|---|---|---|---|")
    ratios = []
    for line in COMMANDS:
        if not words or any(word in line for word in words):
            name, freeze, epochs = line.split()
            predicted, memory, took, peak = tried(name, freeze, int(epochs))
            ratios.append(took / predicted)
            cells = (f"`{name}` {freeze}, {epochs} epochs", f"{predicted:.0f}", f"{took:.0f}", f"{took / predicted:.2f}")
            print("|", " | ".join([*cells, f"{memory:.1f}", f"{peak:.1f}"]), "|", flush=True)
    unseen = ratios[NUM_SEEN:] if not words else ratios
    told = f"median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}"
    print(f"\nTook / predicted: {told}, n = {len(ratios)}; of those not seen {min(unseen):.2f} to {max(unseen):.2f}.")


def tried(name: str, freeze: str, epochs: int) -> tuple[float, float, float, float]:
    """Return predicted seconds and 10^9 bytes of a command, and those that it took."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XZOO_CACHE"] = f"{folder}/cache"
        recipe = {"epochs": epochs, "size": 128}
        asked = {"freeze": [freeze], "seeds": 1, "recipe": recipe, "latency": False}
        found = foresee([f"{name}@random"], DATA, device="cpu", runs=f"{folder}/runs", **asked)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = [sys.executable, "-c", START, *_words(name, freeze, epochs), "--runs", f"{folder}/runs"]
        subprocess.run(words, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        peak = max(_peaks(f"{folder}/runs"), default=0.0)
        assert found.total_seconds is not None
        assert found.memory_gb is not None
        return found.total_seconds, found.memory_gb, took, peak


def _words(name: str, freeze: str, epochs: int) -> Iterator[str]:
    yield from ("compare", f"{name}@random", "--data", DATA, "--freeze", freeze, "--seeds", "1", "--device", "cpu")
    yield from ("--set", f"epochs={epochs}", "--set", "size=128", "--no-latency")


def _peaks(runs: str) -> Iterator[float]:
    for path in Path(runs).glob("*/cells/*/result.json"):
        yield msgspec.json.decode(path.read_bytes())["peak_memory_mb"] * 2**20 / 1e9


if __name__ == "__main__":
    main(sys.argv[1:])
