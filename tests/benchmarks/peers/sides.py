"""One side's turn as a whole process: what it was asked, how long it took, and what it reached."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Took:
    """A turn: seconds from the process's start to its end, validation accuracy, images trained per second, and the rest."""

    seconds: float
    val_accuracy: float | None = None
    images_per_second: float | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What every side of a scenario is asked to do."""

    data: Path
    start: Path
    backbone: str
    freeze: str
    epochs: int
    num_train: int
    place: Path
    seed: int = 0
    size: int = 224
    lr: float = 1e-3


def peer(script: str, job: Job, python: str, *more: str, epochs: int | None = None) -> Took:
    """Run a peer's script, which prints its own answer."""
    command = [python, str(HERE / script), str(job.data), "--backbone", job.backbone, "--freeze", job.freeze]
    command += ["--start", str(job.start), "--epochs", str(epochs or job.epochs), "--seed", str(job.seed)]
    command += ["--size", str(job.size), "--lr", str(job.lr), *more]
    seconds, answer = timed(command)
    return Took(seconds, answer["val_accuracy"], answer["images_per_second"], answer)


def xzoo(job: Job, program: str, cache: Path | None = None, *more: str) -> Took:
    """Run `xzoo compare` with a runs folder of its own, and a cache of its own where none is given."""
    with tempfile.TemporaryDirectory(dir=job.place) as fresh:
        command = [program, "compare", f"{job.backbone}@random", "--data", str(job.data), "--freeze", job.freeze]
        command += ["--seeds", "1", "--epochs", str(job.epochs), "--no-latency", "--runs", f"{fresh}/runs"]
        command += ["--set", f"size={job.size}", "--set", f"lr={job.lr}"]
        seconds, answer = timed([*command, "--format", "json", *more], {"XZOO_CACHE": str(cache or f"{fresh}/cache")})
    [cell] = answer["cells"]
    return Took(seconds, cell["val"]["accuracy"]["value"], _rate(job, cell["epochs"], cell["seconds"]["train"]), {"cell": cell})


SEEDED = """
import json, sys, xzoo
name, data, freeze, seed, recipe, runs = sys.argv[1:7]
outcome = xzoo.compare(
    [name], data, freeze=[freeze], seeds=[int(seed)], recipe=json.loads(recipe), runs=runs, latency=False
)
[cell] = outcome.cells
print(json.dumps({"train": cell.seconds.train, "epochs": cell.epochs, "val_accuracy": cell.val.accuracy.value}))
"""


def seeded(job: Job, python: str) -> Took:
    """Run `xzoo.compare` in a process of its own with the job's seed alone, which the command line cannot be asked for."""
    with tempfile.TemporaryDirectory(dir=job.place) as fresh:
        recipe = json.dumps({"epochs": job.epochs, "size": job.size, "lr": job.lr})
        command = [python, "-c", SEEDED, f"{job.backbone}@random", str(job.data), job.freeze, str(job.seed), recipe]
        seconds, answer = timed([*command, f"{fresh}/runs"], {"XZOO_CACHE": f"{fresh}/cache"})
    return Took(seconds, answer["val_accuracy"], _rate(job, answer["epochs"], answer["train"]), answer)


def _rate(job: Job, epochs: int, seconds: float) -> float | None:
    return job.num_train * epochs / seconds if seconds else None


IN_PROCESS = """
import json, sys, time, xzoo
name, data, epochs, runs = sys.argv[1:5]
def run(lr):
    recipe = {"epochs": int(epochs), "lr": lr}
    return xzoo.compare([name], data, freeze=["frozen"], seeds=1, recipe=recipe, runs=runs, latency=False)
run(1e-3)
took = []
for lr in (9e-4, 8e-4, 7e-4):
    began = time.perf_counter()
    outcome = run(lr)
    took.append(time.perf_counter() - began)
cell = [cell for cell in outcome.cells][0]
spent = cell.seconds
print(json.dumps({"calls": took, "cell": spent.train + spent.val + spent.test, "val_accuracy": cell.val.accuracy.value}))
"""


def in_process(job: Job, python: str, cache: Path) -> list[Took]:
    """Call xzoo.compare from Python where its features are known already, at other rates: each call, and the last one's cell."""
    with tempfile.TemporaryDirectory(dir=job.place) as fresh:
        command = [python, "-c", IN_PROCESS, f"{job.backbone}@random", str(job.data), str(job.epochs), f"{fresh}/runs"]
        _, answer = timed(command, {"XZOO_CACHE": str(cache)})
    return [Took(seconds, answer["val_accuracy"], None, {"cell_seconds": answer["cell"]}) for seconds in answer["calls"]]


def timed(command: Sequence[str], variables: Mapping[str, str] | None = None) -> tuple[float, dict[str, Any]]:
    """Run a command, and return its seconds, start and end included, and the JSON that it prints last."""
    began = time.perf_counter()
    done = subprocess.run(command, env={**os.environ, **(variables or {})}, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    answer: dict[str, Any] = json.loads(done.stdout if done.stdout.startswith("{") else done.stdout.strip().splitlines()[-1])
    return seconds, answer
