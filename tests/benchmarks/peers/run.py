"""xzoo against its peers, in turns on this machine, as ratios with n and spread.

    python tests/benchmarks/peers/run.py frozen --data DIR           # cold, warm, in a running process, against the notebook
    python tests/benchmarks/peers/run.py finetune --data DIR --backbone alexnet --turns 5
    python tests/benchmarks/peers/run.py latency --backbone resnet18 --turns 5

DIR holds train/CLASS/*.jpg. Both sides get copies of the same images and the same random start. Times are of whole processes,
start and decoding included. `--notebook-epochs` shortens the notebook for a trial, and the output says that it did.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers import ratios, sides, stage
from peers.sides import Job, Took
from xzoo.conformance.pairing.turns import facts

BIN = Path(sys.executable).parent
NOTEBOOK = "notebook"
SCENARIOS = ("frozen", "frozen-cold", "frozen-warm", "frozen-in-process", "finetune", "latency")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a scenario and print its ratios."""
    asked = parse(arguments)
    print(f"{asked.scenario} {asked.backbone}, {asked.turns} turns; {facts()}", flush=True)
    earlier = earlier_turns(asked)
    with tempfile.TemporaryDirectory(prefix="peers-") as place:
        turns = latencies(asked, earlier) if asked.scenario == "latency" else trained(asked, Path(place), earlier)
    if asked.json:
        told = {name: [asdict(one) for one in took] for name, took in turns.items()}
        Path(asked.json).write_text(
            json.dumps({"asked": vars(asked), "machine": facts(), "turns": told}, indent=1, default=str), "utf-8"
        )
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--data", type=Path, help="a folder with train/CLASS/")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--images", default="1600,400", metavar="TRAIN,VAL")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--size", type=int, default=224, help="pixels of a side")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--notebook-epochs", type=int, help="fewer epochs for the notebook: a trial, never a headline")
    parser.add_argument("--without", default="", metavar="SIDE,...", help="sides to leave out, such as notebook-cached,xzoo-fp32")
    parser.add_argument("--xzoo", default=str(BIN / "xzoo"), help="the installed command")
    parser.add_argument("--xzoo-bare", help="the command of an installation without extras: one side more")
    parser.add_argument("--fastai", metavar="PYTHON", help="a Python that has fastai: one side more")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="handed on to xzoo")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--go-on", action="store_true", help="add the turns to those that --json FILE holds, where it exists")
    asked = parser.parse_args(arguments)
    if asked.scenario != "latency" and asked.data is None:
        parser.error("--data is needed")
    if asked.go_on and not asked.json:
        parser.error("--go-on needs --json")
    return asked


def earlier_turns(asked: argparse.Namespace) -> dict[str, list[Took]]:
    """Return the turns that a campaign in parts has made so far. Ends the program where they were asked for otherwise."""
    if not (asked.go_on and Path(asked.json).exists()):
        return {}
    held = json.loads(Path(asked.json).read_text("utf-8"))
    now = {name: str(value) for name, value in vars(asked).items() if name not in {"turns", "go_on"}}
    if differing := [name for name, value in now.items() if str(held["asked"][name]) != value]:
        sys.exit(f"{asked.json} holds turns of another campaign: {', '.join(differing)} differ")
    return {name: [Took(**one) for one in took] for name, took in held["turns"].items()}


def numbers(asked: argparse.Namespace, earlier: dict[str, list[Took]]) -> range:
    """Return the numbers of the turns to make: they follow the earlier ones, as seeds do."""
    first = max((len(took) for took in earlier.values()), default=0)
    return range(first, first + asked.turns)


def trained(asked: argparse.Namespace, place: Path, earlier: dict[str, list[Took]]) -> dict[str, list[Took]]:
    """Run a training scenario's sides in turns, every other turn backwards, and print what they took."""
    sizes = [int(size) for size in asked.images.split(",")]
    start = stage.weights(sys.executable, asked.backbone, place)
    freeze = "finetune" if asked.scenario == "finetune" else "frozen"
    data = stage.images(asked.data, sizes, place / asked.data.resolve().name)
    job = Job(data, start, asked.backbone, freeze, asked.epochs, sizes[0], place, size=asked.size, lr=asked.lr)
    chosen = sides_of(asked, job)
    turns: dict[str, list[Took]] = {name: list(earlier.get(name, ())) for name in chosen}
    for number in numbers(asked, earlier):
        for name in list(chosen)[:: -1 if number % 2 else 1]:
            took = chosen[name](replace(job, seed=number))
            turns[name] += took
            print(
                f"turn {number + 1} {name}: {', '.join(f'{one.seconds:.2f} s, {one.val_accuracy:.4f}' for one in took)}",
                flush=True,
            )
    if asked.notebook_epochs:
        print(f"a trial: the notebook ran {asked.notebook_epochs} epochs, xzoo {asked.epochs}; the ratios are no headline")
    print(ratios.table(turns, NOTEBOOK, lambda one: one.seconds, "seconds"))
    if freeze == "finetune":
        print(ratios.table(turns, NOTEBOOK, lambda one: one.images_per_second, "images/s", more_is_better=True))
    else:
        print(ratios.table(turns, NOTEBOOK, lambda one: one.more.get("cell_seconds", one.seconds), "s, in-process: of the cell"))
    print(ratios.decomposed(turns, NOTEBOOK, "xzoo-fp32", "xzoo-cold"))
    print("\n".join(ratios.not_inferior(turns, NOTEBOOK)))
    return turns


def sides_of(asked: argparse.Namespace, job: Job) -> dict[str, Callable[[Job], list[Took]]]:
    """Return the sides of a training scenario by name; warm ones get a cache that one untimed run has filled."""
    extra = [word for setting in asked.set for word in ("--set", setting)]
    python, epochs = sys.executable, asked.notebook_epochs
    part = asked.scenario.removeprefix("frozen").removeprefix("-")
    found: dict[str, Callable[[Job], list[Took]]] = {
        NOTEBOOK: lambda one: [sides.peer("notebook.py", one, python, epochs=epochs)]
    }
    if asked.fastai:
        found["fastai"] = lambda one: [sides.peer("fastai_peer.py", one, asked.fastai, epochs=epochs)]
    if asked.scenario == "finetune":
        found["xzoo"] = lambda one: [sides.seeded(one, python)]
        return found
    if not part:
        found["notebook-cached"] = lambda one: [sides.peer("notebook.py", one, python, "--cache-features")]
    if part in {"", "cold"}:
        found["xzoo-fp32"] = lambda one: [sides.xzoo(one, asked.xzoo, None, "--set", "precision=fp32", *extra)]
        found["xzoo-cold"] = lambda one: [sides.xzoo(one, asked.xzoo, None, *extra)]
    if asked.xzoo_bare and part in {"", "cold"}:
        found["xzoo-cold, no extras"] = lambda one: [sides.xzoo(one, asked.xzoo_bare, None, *extra)]
    cache = job.place / "cache"
    if part in {"", "warm"}:
        found["xzoo-warm"] = lambda one: [sides.xzoo(one, asked.xzoo, cache, *extra)]
    if part in {"", "in-process"}:
        found["xzoo-in-process"] = lambda one: sides.in_process(one, python, cache)
    if part in {"", "warm"}:
        sides.xzoo(job, asked.xzoo, cache, *extra)
    return {name: side for name, side in found.items() if name not in asked.without.split(",")}


def latencies(asked: argparse.Namespace, earlier: dict[str, list[Took]]) -> dict[str, list[Took]]:
    """Time batch 1 in fresh processes in turns: torch in float32 and OpenVINO used directly, and every engine of `xzoo bench`."""
    turns = dict(earlier)
    for number in numbers(asked, earlier):
        for step in range(3)[:: -1 if number % 2 else 1]:
            for name, milliseconds in one_latency(asked, step):
                turns.setdefault(name, []).append(Took(milliseconds / 1e3))
                print(f"turn {number + 1} {name}: {milliseconds:.2f} ms", flush=True)
    for reference in ("torch fp32", "openvino used directly"):
        print(ratios.table(turns, reference, lambda one: one.seconds * 1e3, "ms"))
    return turns


def one_latency(asked: argparse.Namespace, step: int) -> list[tuple[str, float]]:
    """Return names and medians in milliseconds of one process."""
    if step < 2:
        engine, name = (("eager", "torch fp32"), ("openvino", "openvino used directly"))[step]
        script = Path(__file__).with_name("openvino_peer.py")
        _, answer = sides.timed([sys.executable, str(script), "--backbone", asked.backbone, "--engine", engine])
        return [(name, answer["p50_ms"])]
    command = [asked.xzoo, "bench", f"{asked.backbone}@random", "--engine", "eager,openvino", "--batch", "1"]
    command += ["--freeze", "none", "--format", "json"]
    _, answer = sides.timed(command, {"XZOO_CACHE": os.environ.get("XZOO_CACHE", "")} if "XZOO_CACHE" in os.environ else None)
    return [(f"xzoo {row['engine']} {row['precision']}", row["p50_ms"]["value"]) for row in rows(answer) if row["batch"] == 1]


def rows(answer: object) -> list[dict[str, Any]]:
    """Return the rows of latency in an answer of `xzoo bench`, wherever in it they stand."""
    if isinstance(answer, dict):
        own = [answer] if {"engine", "batch", "p50_ms"} <= answer.keys() else []
        return own + [row for value in answer.values() for row in rows(value)]
    return [row for value in answer for row in rows(value)] if isinstance(answer, list) else []


if __name__ == "__main__":
    sys.exit(main())
