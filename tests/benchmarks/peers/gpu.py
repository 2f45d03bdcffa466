"""xzoo on a GPU against the ceiling and against the notebook loop, in turns in one process; then the demo's command as a whole.

    python tests/benchmarks/peers/gpu.py --json gpu.json                       # the seven backbones of the reports, 2,000 images
    python tests/benchmarks/peers/gpu.py --device cpu --images 64 --size 64    # the same on a CPU, to see that it runs

The ceiling is the same work written directly in torch on one synthetic batch that lies on the device, recorded as a CUDA graph:
nothing is read, shuffled, scaled or counted. xzoo trains and infers whole epochs of images that lie on the device as bytes. The
notebook loop reads the same images from JPEG files, as the reports did. Wanted: 90% of the ceiling, ten times the notebook, and
`compare alexnet googlenet` on 1,000 images within 15 s, everything included.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from PIL import Image
from scipy import stats

from peers.gpu_sides import Side, Subject, inference, training
from xzoo.compare.bench import Place
from xzoo.compare.plan import Variation
from xzoo.compare.plan import make as make_plan
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import open_source
from xzoo.data.split import SplitRule
from xzoo.train.device import Device, choose, environment
from xzoo.train.prepared import prepare
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.registry import Registry

BACKBONES = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16")
WANTED = {"ceiling": 0.9, "notebook": 10.0}
COMPARED, COMPARE_SECONDS = 1000, 15.0
START = "import sys; from xzoo.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Row:
    """xzoo's gain over another side of the same turns: the geometric mean, its 95% interval (Student's t), and both speeds."""

    work: str
    backbone: str
    ours: str
    other: str
    gain: float
    low: float
    high: float
    n: int
    ours_per_second: float
    other_per_second: float

    def __str__(self) -> str:
        """Return a line of the table."""
        said = "reached" if self.gain >= WANTED[self.other] else "not reached"
        speeds = f"{self.ours_per_second:,.0f} against {self.other_per_second:,.0f} images/s"
        gain = f"{self.gain:.3f} ({self.low:.3f}-{self.high:.3f}) n {self.n}"
        wanted = f"{WANTED[self.other]:g} {said}"
        return f"{self.work:6} {self.backbone:12} {self.ours:16} / {self.other:9} {gain:30} {wanted}; {speeds}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked, print the ratios, and write them as JSON."""
    asked = parse(arguments)
    device = choose(asked.device)
    told: dict[str, Any] = {"asked": vars(asked), "machine": facts(device), "rows": [], "compare_seconds": []}
    print(json.dumps(told["machine"]), flush=True)
    with tempfile.TemporaryDirectory(prefix="xzoo-cuda-") as place:
        os.environ["XZOO_CACHE"] = f"{place}/cache"
        pack = make_pack(open_source(f"phantom:train={asked.images},val=8,test=8,size={asked.size}"))
        folder = staged(pack, Path(place) / "images")
        for name in asked.backbones.split(","):
            for row in rows(name, pack, folder, device, asked):
                told["rows"].append(asdict(row))
                print(row, flush=True)
        if "compare" in asked.parts:
            told["compare_seconds"] = [compared(device, asked, Path(place) / f"turn{turn}") for turn in range(asked.turns)]
            print(
                f"compare alexnet googlenet, {min(asked.images, COMPARED):,} images: {spread(told['compare_seconds'])}",
                flush=True,
            )
    if asked.json:
        Path(asked.json).write_text(json.dumps(told, indent=1), "utf-8")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=224, help="the images' side in pixels")
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=0, help="of the notebook's DataLoader")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--notebook-turns", type=int, default=2, help="the notebook takes part in the first of the turns alone")
    parser.add_argument("--parts", default="train,infer,compare")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args(arguments)


def facts(device: Device) -> dict[str, Any]:
    """Return what the figures rest on."""
    cudnn = torch.backends.cudnn.version() if device.kind.startswith("cuda") else None  # type: ignore[no-untyped-call]
    return {**environment(device), "cuda": torch.version.cuda, "cudnn": cudnn}


def staged(pack: Pack, folder: Path) -> Path:
    """Write a pack's images as JPEG files below SPLIT/CLASS, and return the folder."""
    for place, split in enumerate(pack.splits_N):
        target = folder / str(split) / pack.classes[int(pack.labels_N[place])]
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pack.image(place)[..., 0]).save(target / f"{place}.jpg", quality=95)
    return folder


def rows(name: str, pack: Pack, folder: Path, device: Device, asked: argparse.Namespace) -> Iterator[Row]:
    """Yield the ratios of one backbone."""
    choice = Registry.installed().get(f"{name}@random")
    recipe = make_recipe({"epochs": 100_000, "batch_size": asked.batch, "schedule": "constant", "lr": 1e-4, "size": asked.size})
    cell = make_plan([choice], pack, ["finetune"], [0], [Variation(recipe=recipe, split=SplitRule())]).cells[0]
    subject = Subject(name, Place.of(prepare(choice), cell, pack, device), cell, folder, asked)
    for work, sides_of in (("train", training), ("infer", inference)):
        if work in asked.parts:
            sides = sides_of(subject)
            turns = {**dict.fromkeys(sides, asked.turns), "notebook": asked.notebook_turns}
            yield from gains(work, name, in_turns(sides, turns), asked.images)


def in_turns(sides: Mapping[str, Side], turns: Mapping[str, int]) -> dict[str, list[float]]:
    """Return the seconds of each side in as many turns as it takes part in, every other turn backwards.

    Uncounted are the first call of each, and a second of those that take part in most turns, which makes ready what the first
    did not: a recording, images on the device.
    """
    most = max(turns.values())
    for name, side in sides.items():
        for _ in range(1 + (turns[name] == most)):
            side()
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(most):
        for name in [one for one in sides if turn < turns[one]][:: -1 if turn % 2 else 1]:
            found[name].append(sides[name]())
    return found


def gains(work: str, backbone: str, seconds: Mapping[str, Sequence[float]], num_images: int) -> Iterator[Row]:
    """Yield the gain of each side of xzoo over the ceiling and over the notebook, in the turns that both took part in."""
    for ours in [name for name in seconds if name not in WANTED]:
        for other in WANTED:
            logs = [math.log(b / a) for a, b in zip(seconds[ours], seconds[other], strict=False)]
            mean, n = statistics.fmean(logs), len(logs)
            half = float(stats.t.ppf(0.975, n - 1)) * statistics.stdev(logs) / math.sqrt(n) if n > 1 else math.inf
            speeds = (num_images / statistics.median(seconds[name]) for name in (ours, other))
            yield Row(work, backbone, ours, other, math.exp(mean), math.exp(mean - half), math.exp(mean + half), n, *speeds)


def compared(device: Device, asked: argparse.Namespace, place: Path) -> float:
    """Return the seconds of `xzoo compare alexnet googlenet` on JPEG files, a process of its own with an empty cache."""
    count = min(asked.images, COMPARED)
    parts = {"train": count * 6 // 10, "val": count * 2 // 10, "test": count * 2 // 10}
    pack = make_pack(
        open_source("phantom:" + ",".join(f"{split}={size}" for split, size in parts.items()) + f",size={asked.size}")
    )
    data = staged(pack, place / "data")
    words = ["compare", "alexnet@random", "googlenet@random", "--data", str(data), "--device", device.kind]
    words += ["--freeze", "frozen,finetune", "--set", f"size={asked.size}", "--runs", str(place / "runs")]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", START, *words], env={**os.environ, "XZOO_CACHE": str(place / "cache")}, check=True)
    return time.perf_counter() - began


def spread(seconds: Sequence[float]) -> str:
    """Return the median and range of the seconds, and whether they are as few as wanted."""
    said = "reached" if statistics.median(seconds) <= COMPARE_SECONDS else "not reached"
    least, most = min(seconds), max(seconds)
    return f"{statistics.median(seconds):.1f} s ({least:.1f}-{most:.1f}) n {len(seconds)}; {COMPARE_SECONDS:g} s {said}"


if __name__ == "__main__":
    sys.exit(main())
