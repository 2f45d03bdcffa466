"""SIGKILL to ranks of `torchrun -m xzoo compare` at random times: each run must end soon, with one screen, and go on.

    python tests/ranks/rank_kills.py --kills 20 [--count 2] [--seed 0]

Every life begins in a folder of its own, is killed in a rank that is drawn, behind the checkpoint of a step that is drawn or at
any time of its beginning, and is started again until it ends; by chance it is killed once more on the way. It has to end within
30 s of each kill, leave nothing half-written, tell which rank died (or be told of by torchrun alone, where a rank dies before it
has met the others), and end with the bytes of a run that nobody killed. Exits 1 where anything is otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from launching import BOUND, ended, rank_of, torchrun

WITHIN = 30.0
NUM_CELLS, NUM_STEPS = 2, 80
NETWORK = """
import xzoo

def build():
    from torch import nn
    stem = [nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()]
    block = [nn.Conv2d(8, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *block, nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))

net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("9"), stages={"stem": ("0", "1"), "block": ("3", "4")},
                    preprocess=xzoo.Preprocess(size=32, mean=(0.5,) * 3, std=(0.25,) * 3))
"""
WORDS = ["-m", "xzoo", "compare", "./net.py:net", "--data", "phantom:size=32,train=90,val=40,test=40", "--seeds", "1"]
WORDS += ["--freeze", "finetune,frozen", "--epochs", "8", "--set", "batch_size=9", "--no-latency", "--format", "json"]


@dataclass(eq=False)
class Tally:
    """What the kills did."""

    seconds: list[float] = field(default_factory=list)
    resumed: int = 0
    phases: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def begun(folder: Path, count: int) -> subprocess.Popen[str]:
    """Begin the command, or begin it again."""
    (folder / "net.py").write_text(NETWORK)
    return torchrun([*WORDS, "--runs", "runs"], folder, count, XZOO_CHECKPOINT_SECONDS="0", XZOO_CACHE=str(folder / "cache"))


def newest(folder: Path) -> int:
    """Return the number of the newest checkpoint that was ever seen; all of them once there are none any more."""
    if any((folder / "runs").glob("*/cells/*finetune*/manifest.json")):
        return NUM_STEPS
    return max((int(path.name) for path in (folder / "runs").glob("*/checkpoints/*/*") if path.name.isdigit()), default=0)


def digest(folder: Path) -> str:
    """Return a hash of every cell's predictions and learnt tensors."""
    found = hashlib.sha256()
    for path in sorted(path for path in (folder / "runs").rglob("*") if path.suffix in {".npz", ".safetensors"}):
        if "checkpoints" not in path.parts:
            found.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def killed(folder: Path, count: int, rank: int, step: int, delay: float, tally: Tally) -> bool:
    """Begin the command and kill a rank so many seconds behind a step's checkpoint; return whether it came to its end before."""
    process = begun(folder, count)
    while process.poll() is None and newest(folder) < step:
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(delay)
    try:
        number = rank_of(process, rank)
    except LookupError:
        code, _, told = ended(process)
        tally.wrong += [f"it failed by itself: {told[-500:]}"] if code else []
        return True
    os.kill(number, signal.SIGKILL)
    began = time.monotonic()
    try:
        code, out, told = ended(process, BOUND)
    except subprocess.TimeoutExpired:
        tally.wrong.append(f"rank {rank} was killed behind step {step}, and the others never ended")
        return False
    tally.seconds.append(time.monotonic() - began)
    look(folder, code, out, told, f"rank {rank}, {delay:.2f} s behind step {step}", tally)
    return False


def look(folder: Path, code: int, out: str, told: str, what: str, tally: Tally) -> None:
    """Hold a run that was killed against what it must leave and say."""
    screens = [line for line in out.splitlines() if line.startswith("{")]
    is_early = not told.count("kept in")
    tally.phases.append("before they met" if is_early else "at work")
    if tally.seconds[-1] > WITHIN:
        tally.wrong.append(f"{what}: it took {tally.seconds[-1]:.1f} s to end")
    if code == 0:
        tally.wrong.append(f"{what}: it ended as if nothing had been")
    # Behind the last cell the others leave, and nobody is there to tell that the leader died while it concluded.
    is_late = what.startswith("rank 0") and told.count(": validation") >= NUM_CELLS
    if len(screens) > 1 or not (screens or is_early or is_late):
        tally.wrong.append(f"{what}: {len(screens)} screens instead of one: {told[-300:]}")
    for screen in screens:
        try:
            answer = json.loads(screen)
        except ValueError:  # rank 0 was killed while it printed the outcome of all
            tally.wrong += [] if what.startswith("rank 0") and "xzoo.compare/1" in screen else [f"{what}: it says {screen[:200]}"]
            continue
        # Before they have met, who is left hears from torchrun alone, which asks it to end.
        wanted = {"ended before its work was done", *(["terminated"] if is_early else [])}
        if answer["schema"] == "xzoo.error/1" and not any(words in answer["text"] for words in wanted):
            tally.wrong.append(f"{what}: it says {answer['text']}")
    for path in (folder / "runs").rglob("manifest.json"):
        if not all(sha(path.with_name(name)) == known for name, known in json.loads(path.read_text()).items()):
            tally.wrong.append(f"{what}: {path} is half-written")


def sha(path: Path) -> str:
    """Return the sha256 of a file; nothing where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def main() -> int:
    """Kill so many ranks, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    drawn, tally = random.Random(asked.seed), Tally()
    with tempfile.TemporaryDirectory(prefix="xzoo-ranks-") as place:
        whole = Path(place) / "whole"
        whole.mkdir()
        began = time.monotonic()
        code, _, told = ended(begun(whole, asked.count))
        length, wanted = time.monotonic() - began, digest(whole)
        assert code == 0, told
        number = 0
        while len(tally.seconds) < asked.kills:
            number += 1
            folder = Path(place) / str(number)
            folder.mkdir()
            is_over = False
            while not is_over and len(tally.seconds) < asked.kills and drawn.random() < 0.8:
                step = drawn.choice([0, drawn.randrange(1, NUM_STEPS), drawn.randrange(1, NUM_STEPS)])
                delay = drawn.uniform(0, 0.2) if step else drawn.uniform(0, length / 2)
                is_over = killed(folder, asked.count, drawn.randrange(asked.count), step, delay, tally)
            if not is_over:
                code, _, told = ended(begun(folder, asked.count))
                tally.wrong += [] if code == 0 else [f"it could not go on: {told[-500:]}"]
                tally.resumed += "goes on from a checkpoint" in told
            tally.wrong += [] if digest(folder) == wanted else [f"life {number} ended with other bytes"]
            print(
                f"{len(tally.seconds)} kills, slowest end {max(tally.seconds, default=0):.1f} s, wrong: {tally.wrong}", flush=True
            )
    early = tally.phases.count("before they met")
    print(
        f"{len(tally.seconds)} kills in {number} lives of {length:.0f} s on {asked.count} ranks ({early} before they had met): "
        f"ended within {statistics.median(tally.seconds):.1f} s in the median and {max(tally.seconds):.1f} s at most; "
        f"{tally.resumed} lives went on from a checkpoint; {len(tally.wrong)} wrong"
    )
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
