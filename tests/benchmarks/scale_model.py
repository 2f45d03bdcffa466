"""What a plan would cost, from the growth that was measured, and the page that says so.

    python tests/benchmarks/scale_model.py [--images N] [--classes K] [--cells C] [--epochs E] [--gpus G] [--rate R]
    python tests/benchmarks/scale_model.py --page      # writes the tables of docs/scale.md

Points are those of docs/scale-measured.json (`stage_costs.py`). Each stage's law is seconds = a + b * n, fitted to relative
errors, with b's 95% interval, and beside it the exponent of n in a power law, which says whether a line is warranted. GPUs were
not measured: how many images one trains in a second is an input, and links and disks are those of `Site`.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from growth import exponent
from xzoo.evaluate.scores import MANY_CLASSES

MEASURED = Path(__file__).parents[2] / "docs" / "scale-measured.json"
FORWARD = 2.8
"""Images answered in the time of one trained: 3,382 and 1,200 a second of ResNet-50 on one V100, mixed precision."""
HAND_OVER = 0.132
"""Seconds that a cluster takes for a cell beyond its own work: median of 64 cells on two nodes (`ray_overhead.py`)."""

TRAIN, VAL = 0.6, 0.2
VIEW, PACK, WIDTH = 224**2, 256**2, 2048

Points = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Law:
    """Seconds of a stage: `a + b * n`, b's 95% interval, and the exponent of a power law with its own."""

    a: float
    b: float
    b_ends: tuple[float, float]
    exponent: float
    exponent_ends: tuple[float, float]
    sizes: tuple[float, ...]

    def __call__(self, n: float) -> float:
        """Return the seconds of n; a start below 0, which a fit may have, counts as none."""
        return max(0.0, self.a) + self.b * n


def fit(sizes: Sequence[float], seconds: Sequence[float]) -> Law:
    """Return the law of at least two sizes, by least squares of relative errors; of two points the intervals are infinite."""
    n, y = np.asarray(sizes, float), np.asarray(seconds, float)
    design: NDArray[np.float64] = np.stack([1 / y, n / y], 1)
    (a, b), *_ = np.linalg.lstsq(design, np.ones(len(y)), rcond=None)
    free = len(y) - 2
    margin = math.inf
    if free:
        spread = ((1 - design @ [a, b]) ** 2).sum() / free
        margin = float(stats.t.ppf(0.975, free) * math.sqrt(spread * np.linalg.inv(design.T @ design)[1, 1]))
    power, low, high = exponent(list(n), list(y))
    return Law(float(a), float(b), (float(b) - margin, float(b) + margin), power, (low, high), tuple(map(float, n)))


def pairs(contenders: float) -> float:
    """Return how many pairs so many contenders have."""
    return contenders * (contenders - 1) / 2


STAGES: dict[str, tuple[str, str, str]] = {
    "listing": ("packing", "listing", "image"),
    "packing": ("packing", "seconds", "image of 256 x 256 pixels, JPEG"),
    "view": ("view", "seconds", "image, to 224 x 224"),
    "features": ("features", "seconds", "image of 96 x 96, network of two convolutions"),
    "epoch": ("epoch", "seconds", "image of 96 x 96, the same network"),
    "frozen": ("frozen", "seconds", "image, `compare` of the same network, one epoch"),
    "statistics": ("statistics", "seconds", "image of a split, two classes"),
    "statistics, 10 classes": ("statistics, 10 classes", "seconds", "image of a split, ten classes"),
    "statistics by class": ("statistics by class", "seconds", "class above 32, 4,000 images"),
    "verdicts": ("verdicts", "seconds", "pair of contenders, 3 seeds, 400 images"),
    "verdicts by image": ("verdicts by image", "seconds", "image, 28 pairs, 3 seeds"),
    "verdicts by class": ("verdicts by class", "seconds", "class, 24 cells of 2,000 images"),
    "report": ("report", "seconds", "comparison stored"),
    "runs": ("runs", "seconds", "run of 12 cells listed"),
    "audit": ("audit", "seconds", "image of 32 x 32"),
}


def laws(points: Points) -> dict[str, Law]:
    """Return each stage's law, by what it grows with; verdicts and reports grow with pairs, not with cells."""
    found = {}
    for name, (stage, field, _) in STAGES.items():
        least = MANY_CLASSES if stage == "statistics by class" else 0
        own = [one for one in points if one["stage"] == stage and one.get("pairs", 1) and one["size"] > least]
        if len(own) > 1:
            of_pairs = stage in {"verdicts", "report"}
            sizes = [pairs(one["size"] // 3) * (2 if stage == "report" else 1) if of_pairs else one["size"] for one in own]
            found[name] = fit(sizes, [one[field] for one in own])
    return found


@dataclass(frozen=True)
class Site:
    """What a lab has: bytes a second of a node's disk and of the network, of links between a node's GPUs, bytes of memory."""

    gpus_of_node: int = 8
    cores: int = 32
    memory: float = 256e9
    disk: float = 2e9
    network: float = 1.25e9
    link: float = 200e9


@dataclass(frozen=True)
class Plan:
    """A plan of so many cells, half frozen and half fine-tuned, three seeds each; `rate` is a GPU's training images a second."""

    images: int = 100_000
    classes: int = 10
    cells: int = 24
    epochs: int = 10
    gpus: int = 1
    rate: float = 1200.0
    channels: int = 1
    params: float = 25.6e6

    @property
    def contenders(self) -> float:
        """Backbones times strategies."""
        return self.cells / 3

    @property
    def backbones(self) -> int:
        """Half as many as contenders."""
        return max(1, round(self.contenders / 2))

    @property
    def predictions(self) -> float:
        """Bytes of one cell's predictions: a float64 for each image and class, its number and its label."""
        return self.images * (8.0 * self.classes + 16)


def seconds(plan: Plan, law: Mapping[str, Law], site: Site | None = None) -> dict[str, float]:
    """Return the wall seconds of each stage where everything that can be is done side by side, in the order of a run."""
    site = site or Site()
    nodes, tuned, split = math.ceil(plan.gpus / site.gpus_of_node), plan.cells / 2, VAL * plan.images
    side_by_side = min(plan.gpus, plan.backbones)
    view = float(plan.images * VIEW * plan.channels)
    kept = site.memory > view
    answered = (VAL * plan.epochs + 1) * plan.images / (FORWARD * plan.rate)
    heads = max(0.0, law["frozen"].b - law["features"].b) * plan.images * plan.epochs
    read = plan.backbones * plan.images * WIDTH * 4.0 * plan.epochs / (site.disk * nodes)
    judged = judging(plan, law)
    weighed = (law["verdicts"].b + law["verdicts by image"].b / 28 * split) * pairs(plan.contenders)
    by_class = max(0.0, law["verdicts by class"].b) / 24 / 2000 * plan.cells * plan.classes * split
    return {
        "listing and hashing": law["listing"](plan.images),
        "packing": law["packing"](plan.images) / site.cores,
        "views": law["view"](plan.images) * plan.channels / site.cores,
        "packs to nodes": plan.images * PACK * plan.channels * (nodes - 1) / site.network,
        "reading views": view / site.disk * (1 if kept else plan.epochs * math.ceil(tuned / nodes)),
        "feature pass": plan.backbones * plan.images / (FORWARD * plan.rate) / side_by_side,
        "heads": heads * plan.backbones / side_by_side + read,
        "fine-tuning": tuned * (TRAIN * plan.images * plan.epochs / plan.rate + answered) / min(plan.gpus, tuned),
        "statistics of cells": plan.cells * judged / min(plan.gpus, plan.cells),
        "hand-over of cells": plan.cells * HAND_OVER / plan.gpus,
        "predictions back": plan.cells * plan.predictions / site.network if nodes > 1 else 0.0,
        "verdicts and ranks": 2 * (weighed + by_class + plan.cells * plan.predictions / site.disk),
        "report": law["report"](2 * pairs(plan.contenders)),
    }


def judging(plan: Plan, law: Mapping[str, Law]) -> float:
    """Return the seconds of a cell's figures and intervals: by resamples of each class up to 32 of them, else by a formula."""
    if plan.classes <= 2:
        return law["statistics"](plan.images)
    if plan.classes <= MANY_CLASSES:
        return law["statistics, 10 classes"](plan.images) * plan.classes / 10
    return law["statistics by class"](plan.classes) * plan.images / 4000


def outcome_bytes(points: Points) -> tuple[float, float]:
    """Return what a cell and what a comparison take of compare.json, by least squares of relative errors."""
    own = [one for one in points if one["stage"] == "report"]
    design = np.array([(one["size"], 2 * pairs(one["size"] // 3)) for one in own]) / np.array([[one["bytes"]] for one in own])
    (cell, comparison), *_ = np.linalg.lstsq(design, np.ones(len(own)), rcond=None)
    return float(cell), float(comparison)


def stored(plan: Plan) -> dict[str, float]:
    """Return bytes: on disk by kind, and in the memory of the command at the end, when it compares all cells."""
    cell, comparison = outcome_bytes(measured())
    outcome = plan.cells * cell + 2 * pairs(plan.contenders) * comparison
    return {
        "pack": float(plan.images * PACK * plan.channels),
        "view": float(plan.images * VIEW * plan.channels),
        "features": plan.backbones * plan.images * WIDTH * 4.0,
        "predictions": plan.cells * plan.predictions,
        "networks kept": plan.contenders / 2 * plan.params * 4,
        "outcome": outcome,
        "memory at the end": plan.cells * VAL * plan.images * 9 + 2 * plan.predictions + 3 * outcome,
    }


def bottleneck(of_stage: Mapping[str, float]) -> str:
    """Return the stage that takes most."""
    return max(of_stage, key=lambda name: of_stage[name])


def second(of_stage: Mapping[str, float]) -> str:
    """Return the stage that takes most after that."""
    return bottleneck({name: value for name, value in of_stage.items() if name != bottleneck(of_stage)})


def measured() -> list[dict[str, Any]]:
    """Return the points of the page."""
    return list(json.loads(MEASURED.read_text()))


def main() -> None:
    """Print what a plan costs, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("images", "classes", "cells", "epochs", "gpus", "channels"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan(), name))
    for name in ("rate", "params"):
        parser.add_argument(f"--{name}", type=float, default=getattr(Plan(), name))
    parser.add_argument("--page", action="store_true")
    asked = vars(parser.parse_args())
    if asked.pop("page"):
        from scale_page import write

        write()
        return
    plan, law = Plan(**asked), laws(measured())
    taken = seconds(plan, law)
    for name, value in taken.items():
        print(f"{name:22}{value:14,.0f} s{'   <- takes most' if name == bottleneck(taken) else ''}")
    print(f"{'in all':22}{sum(taken.values()):14,.0f} s")
    for name, value in stored(plan).items():
        print(f"{name:22}{value / 1e9:14,.2f} GB")


if __name__ == "__main__":
    main()
