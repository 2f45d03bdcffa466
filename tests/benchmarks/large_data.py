"""Data that is larger than memory: what packing, features and an epoch take of memory and time, beside the same from memory.

    python tests/benchmarks/large_data.py STAGE ... [--images 20000] [--size 96] [--folder F] [--seconds 280]

Stages: pack, view, features, full and blocks (an epoch in either order), frozen (`xzoo compare` of a frozen network, whole) and,
from memory, memory-pack, memory-features, memory-epoch. Each is a process of its own, on the cache below F, so that they can be
asked for one by one; packing that takes more than --seconds is killed and told as unfinished: ask for it again. Prints a JSON
object and a row of a table for each: images in a second, and the most memory: resident, private, and mapped from files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STAGES = (
    *("pack", "view", "features", "full", "blocks", "frozen"),
    *("memory-pack", "memory-features", "memory-epoch"),
)
BATCH, VIEW = 64, 64
_STARTED = "images began"


def net() -> Any:
    """Return a backbone small enough for what lies around it to be seen: 0.2 ms for an image of 96 pixels in training."""
    import xzoo

    def build() -> Any:
        from torch import nn

        first = (nn.Conv2d(1, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 32, 4, stride=4), nn.ReLU())
        return nn.Sequential(*first, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10))

    preprocess = xzoo.Preprocess(size=96, mean=(0.5,), std=(0.25,))
    return xzoo.Backbone(
        name="small", build=build, head=xzoo.ReplaceLinear("6"), stages={"first": "0", "second": "2"}, preprocess=preprocess
    )


def words(images: int, size: int) -> str:
    """Return the phantom of so many images, half of them to train."""
    return f"phantom:train={images // 2},val={images // 4},test={images - images // 2 - images // 4},size={size}"


def stage(name: str, images: int, size: int) -> dict[str, Any]:
    """Carry a stage out in this process and return how many images it took, and in which time."""
    from xzoo.data.source import open_source

    source = open_source(words(images, size))
    if name in {"pack", "view"}:
        return _prepared(source, name)
    if name == "frozen":
        return _compared(words(images, size), size)
    if name == "memory-pack":
        return _drawn(source)
    return _worked(source, name, size)


def _prepared(source: Any, name: str) -> dict[str, Any]:
    from xzoo.data.ready import prepare
    from xzoo.runs.following import followed

    kept = followed(prepare(source, [VIEW] if name == "view" else [])).kept[-1]
    return {"images": kept.made, "seconds": kept.seconds, "bytes": kept.bytes, "files": kept.files}


def _drawn(source: Any) -> dict[str, Any]:
    import numpy as np

    from xzoo.data.packing import each

    began = time.perf_counter()
    images_NHW = np.stack(list(each(source.read, len(source.items))))
    return {"images": len(images_NHW), "seconds": time.perf_counter() - began}


def _compared(data: str, size: int) -> dict[str, Any]:
    import xzoo

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as runs:
        recipe = {"epochs": 1, "batch_size": BATCH, "precision": "fp32", "size": size}
        outcome = xzoo.compare([net()], data=data, freeze=["frozen"], seeds=1, recipe=recipe, latency=False, runs=runs)
    return {"images": sum(outcome.dataset["splits"].values()), "seconds": time.perf_counter() - began}


def _worked(source: Any, name: str, size: int) -> dict[str, Any]:
    """Extract features, or train an epoch, from the pack or from an array."""
    import numpy as np
    import torch

    from xzoo.data.batches import Batches
    from xzoo.data.order import blocks_of
    from xzoo.data.pack import View, make_pack, make_view
    from xzoo.train.device import choose

    pack, device, backbone = make_pack(source), choose("cpu", "fp32"), net()
    view = make_view(pack, size=(size, size), num_channels=1)
    if name.startswith("memory"):
        held = np.concatenate([part.copy() for part in pack.pixels.parts])
        pack.pixels.release()
        view = View(view.key, held.reshape(len(pack), size, size, 1).transpose(0, 3, 1, 2), 1, (size, size))
    blocks = blocks_of("blocks", len(pack), size * size) if name == "blocks" else None
    indices = np.arange(len(pack)) if name.endswith("features") else np.flatnonzero([split == "train" for split in pack.splits_N])
    images = Batches(view, pack.labels_N, indices, backbone.preprocess, BATCH, blocks=blocks)
    torch.manual_seed(0)
    print(_STARTED, flush=True)
    began = time.perf_counter()
    work = _features if name.endswith("features") else _epoch
    work(images, device, name)
    return {"images": len(indices), "seconds": time.perf_counter() - began}


def _features(images: Any, device: Any, name: str) -> None:
    import torch

    from xzoo.train import features

    network = net().build().eval()
    extract = features.Extractor("eager", lambda _: network[:6])
    if name == "features":
        features.compute(extract, images, device, body="small")
    else:
        torch.cat([extract(images_BCHW) for images_BCHW, _ in images.ordered()])


def _epoch(images: Any, device: Any, name: str) -> None:
    from xzoo.model.classifier import build
    from xzoo.train.learner import WholeNetwork
    from xzoo.train.loop import train
    from xzoo.train.objective import objective
    from xzoo.train.recipe import make
    from xzoo.zoo.strategies import parse

    del name
    backbone = net()
    classifier = build(backbone.build(), backbone, 2, seed=0, size=images.view.size)
    recipe = make({"epochs": 1, "batch_size": BATCH, "precision": "fp32"})
    compute_loss = objective(recipe, images.labels_N[images.indices], 2, "cpu")
    list(train(WholeNetwork(classifier), images, compute_loss, parse("finetune"), recipe, device, dict))


@contextmanager
def watched(process: subprocess.Popen[str], every: float = 0.02) -> Iterator[dict[str, float]]:
    """Yield the most MB that a process's memory had, private and mapped from files apart, until it ends."""
    most = {"private_mb": 0.0, "mapped_mb": 0.0, "both_mb": 0.0}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(every):
            try:
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            except OSError:
                return
            found = {line.split(":")[0]: int(line.split()[1]) / 1e3 for line in lines if line.startswith("Rss")}
            private, mapped = found.get("RssAnon", 0.0), found.get("RssFile", 0.0)
            for name, value in (("private_mb", private), ("mapped_mb", mapped), ("both_mb", private + mapped)):
                most[name] = max(most[name], value)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def run(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Carry a stage out in a process of its own and return what it took; one that takes too long is killed."""
    command = [sys.executable, __file__, name, "--alone", "--images", str(asked.images), "--size", str(asked.size)]
    variables = {**os.environ, "XZOO_CACHE": str(asked.folder / "cache"), "XZOO_CACHE_LIMIT": "1000"}
    began = time.perf_counter()
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as process, watched(process) as most:
        try:
            out, _ = process.communicate(timeout=asked.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return {"stage": name, "unfinished": True, "seconds": time.perf_counter() - began, **most}
    if process.returncode:
        raise SystemExit(process.returncode)
    return {"stage": name, **json.loads(out.splitlines()[-1]), **most, "whole_seconds": time.perf_counter() - began}


def row(found: dict[str, Any]) -> str:
    """Return a line of a table: stage, images, images a second, most memory, private and mapped."""
    if found.get("unfinished"):
        return f"| {found['stage']} | killed after {found['seconds']:.0f} s | | {found['both_mb']:,.0f} | | |"
    speed = f"{found['images'] / found['seconds']:,.0f}" if found["images"] else "was there"
    memory = " | ".join(f"{found[name]:,.0f}" for name in ("both_mb", "private_mb", "mapped_mb"))
    return f"| {found['stage']} | {found['images']:,} | {speed} | {memory} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Carry out the stages that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", nargs="*", choices=(*STAGES, []), metavar="STAGE")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "xzoo-large")
    parser.add_argument("--seconds", type=float, default=280)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.alone:
        print(json.dumps(stage(asked.stages[0], asked.images, asked.size)))
        return
    for name in asked.stages or STAGES:
        found = run(name, asked)
        print(json.dumps(found), file=sys.stderr, flush=True)
        print(row(found), flush=True)


if __name__ == "__main__":
    main()
