"""What the stages of a comparison cost at several sizes, for `scale_model.py`.

    python tests/benchmarks/stage_costs.py --into docs/scale-measured.json verdicts:3,12,48,192 statistics:1000,4000,16000

Each point is a process of its own. `seconds` are its processor time, which other work on the machine lengthens little; those of
large_data.py, which is called for some stages, are wall time. Points of the same stage and size are replaced in the file.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, SEEDS, SIDE = 400, 3, 256
Told = dict[str, Any]


def files(count: int, place: Path) -> None:
    """Write so many JPEG files of 256 pixels in two classes: one picture, with a comment of its own in each."""
    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    stored = io.BytesIO()
    Image.fromarray(coarse).resize((SIDE, SIDE)).save(stored, "jpeg", quality=90)
    begin, rest = stored.getvalue()[:2], stored.getvalue()[2:]
    for number in range(count):
        folder = place / ("train", "val", "test")[number % 3] / ("normal", "pneumonia")[number // 3 % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:07}.jpg").write_bytes(begin + b"\xff\xfe\x00\x0c" + f"{number:010}".encode() + rest)


def packing(count: int, place: Path) -> Told:
    """List and hash files, then pack them; both costs are told."""
    from xzoo.data import pack
    from xzoo.data.source import open_source

    files(count, place / "data")
    began = time.process_time()
    pack._pack_key(source := open_source(str(place / "data")))
    listed = time.process_time() - began
    made = pack.make_pack(source)
    return {"seconds": time.process_time() - began - listed, "listing": listed, "bytes": made.pixels.nbytes, "pixels": SIDE**2}


def view(count: int, place: Path) -> Told:
    """Bring packed images to 224 pixels."""
    from xzoo.data.pack import make_pack, make_view
    from xzoo.data.source import open_source

    files(count, place / "data")
    made = make_pack(open_source(str(place / "data")))
    began = time.process_time()
    seen = make_view(made, size=(224, 224), num_channels=1)
    return {"seconds": time.process_time() - began, "bytes": seen.pixels_NCHW.nbytes, "pixels": 224**2}


def probabilities(images: int, classes: int, seed: int = 0) -> Any:
    """Return probabilities (N,K) and labels (N) of a network that is often right."""
    random = np.random.default_rng(seed)
    labels_N = np.arange(images) % classes
    logits_NK = random.normal(size=(images, classes))
    logits_NK[np.arange(images), labels_N] += 2
    return np.exp(logits_NK) / np.exp(logits_NK).sum(1, keepdims=True), labels_N


def judged(images: int, classes: int) -> Told:
    """Measure a split's answers as the end of a cell does: every figure with its interval, from 1,000 resamples."""
    from xzoo.evaluate.metrics import measure

    chances_NK, labels_N = probabilities(images, classes)
    names = [f"{number:04}" for number in range(classes)]
    began = time.process_time()
    measure(chances_NK, labels_N, names)
    return {"seconds": time.process_time() - began, "images": images, "classes": classes}


def compared(cells: int, classes: int = 2, images: int = IMAGES) -> Told:
    """Compare every two contenders of three seeds on a split, then rank them."""
    from xzoo.compare import standings, verdict
    from xzoo.compare.evidence import Answered

    given = [probabilities(images, classes, seed) for seed in range(cells)]
    began = time.process_time()
    answers: dict[str, dict[int, Answered]] = {}
    for number, one in enumerate(given):
        answers.setdefault(f"c{number // SEEDS}", {})[number % SEEDS] = Answered.of(np.arange(images), *one)
    pairs = verdict.conclude(answers, "val", foresee=False)
    seconds = time.process_time() - began
    standings.ranks(list(answers), pairs)
    ranks = time.process_time() - began - seconds
    return {"seconds": seconds, "ranking": ranks, "pairs": len(pairs), "classes": classes, "images": images}


def report(cells: int, place: Path) -> Told:
    """Make the page of a run that was written, not trained."""
    import xzoo
    from report_size import large

    large(place / "run", max(2, cells // SEEDS))
    stored = (place / "run" / "compare.json").stat().st_size
    began = time.process_time()
    page = xzoo.report(place / "run", place / "report.html")
    return {"seconds": time.process_time() - began, "bytes": stored, "page": page.stat().st_size}


def runs(count: int, place: Path) -> Told:
    """List runs, as JSON."""
    from many_runs import copies, seconds

    copies(place, count)
    return {"seconds": min(seconds(place, "json", count) for _ in range(2))}


STAGES: dict[str, Callable[[int, Path], Told]] = {
    "packing": packing,
    "view": view,
    "statistics": lambda size, _: judged(size, 2),
    "statistics, 10 classes": lambda size, _: judged(size, 10),
    "statistics by class": lambda size, _: judged(4000, size),
    "verdicts": lambda size, _: compared(size),
    "verdicts by image": lambda size, _: compared(24, images=size),
    "verdicts by class": lambda size, _: compared(24, size, 2000),
    "report": report,
    "runs": runs,
}
LARGE = {"features": "features", "epoch": "full", "frozen": "frozen"}


def alone(stage: str, size: int) -> Told:
    """Carry a stage out in this process."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["XZOO_CACHE"] = f"{place}/cache"
        told = STAGES[stage](size, Path(place))
    return told | {"peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)}


def by_large_data(stage: str, size: int) -> Told:
    """Return what large_data.py tells of so many images, its pack and view made before."""
    from large_data import run

    with tempfile.TemporaryDirectory() as place:
        asked = argparse.Namespace(images=size, size=96, folder=Path(place), seconds=280.0)
        run("pack", asked)
        told = run(LARGE[stage], asked)
    return {"seconds": told["seconds"] * size / told["images"], "peak_mb": round(told["both_mb"]), "pixels": 96**2, "wall": True}


def point(stage: str, size: int) -> Told:
    """Return a point, measured in a process of its own, and where it comes from."""
    if stage in LARGE:
        told = by_large_data(stage, size)
    else:
        command = [sys.executable, __file__, "--alone", f"{stage}:{size}"]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True).stdout.strip()
    machine = f"{platform.machine()}, {os.cpu_count()} cores shared with other work, one thread"
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return {"stage": stage, "size": size, **told, "machine": machine, "date": date, "commit": commit}


def kept(path: Path, found: Told) -> None:
    """Put a point into a file of points, in place of what it holds for the same stage and size."""
    points = json.loads(path.read_text()) if path.exists() else []
    points = [one for one in points if (one["stage"], one["size"]) != (found["stage"], found["size"])]
    points = sorted([*points, found], key=lambda one: (one["stage"], one["size"]))
    path.write_text("[\n" + ",\n".join(json.dumps(one) for one in points) + "\n]\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the points that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", nargs="+", metavar="STAGE:SIZE,...")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    wanted = [(stage, int(size)) for one in asked.points for stage, _, sizes in [one.partition(":")] for size in sizes.split(",")]
    if asked.alone:
        print(json.dumps(alone(*wanted[0])))
        return
    for stage, size in wanted:
        found = point(stage, size)
        print(json.dumps(found), flush=True)
        if asked.into:
            kept(asked.into, found)


if __name__ == "__main__":
    main()
