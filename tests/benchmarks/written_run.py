"""Run folders as `compare` leaves them, written without training: for tests of reports, and for their measurement."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xzoo import durable
from xzoo.compare import probabilities, standings, verdict
from xzoo.compare.outcome import Outcome
from xzoo.compare.probabilities import Answers
from xzoo.evaluate.metrics import measure
from xzoo.runs.result import (
    BackboneFacts,
    Cell,
    CellResult,
    EpochRecord,
    Finding,
    Latency,
    Proof,
    Recommendation,
    Seconds,
)
from xzoo.runs.store import RunFolder

SPLITS = ("train", "val", "test")
ENVIRONMENT = {"versions": {"python": "3.11", "xzoo": "0.1.0"}, "device": "a processor", "threads": 1, "cores": 2}
Answered = dict[str, np.ndarray[Any, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wish:
    """What a run is to hold. Of `distinct` answers every cell has one, so that a thousand cells cost little."""

    names: Sequence[str] = ("alexnet", "googlenet", "mobilenet")
    freezes: Sequence[str] = ("frozen", "finetune")
    seeds: Sequence[int] = (0, 1, 2)
    classes: Sequence[str] = ("normal", "pneumonia")
    data: str = "photos"
    images: int = 60
    epochs: int = 6
    distinct: int = 1000
    resamples: int = 20
    findings: Sequence[Finding] = ()
    comparing: bool = True


def answers(wish: Wish, number: int, seed: int) -> Answered:
    """Return predictions that are the better the smaller the contender's number."""
    found: Answered = {}
    for place, split in enumerate(SPLITS):
        rng = np.random.default_rng([number, seed, place])
        labels_N = np.arange(wish.images) % len(wish.classes)
        logits_NK = rng.normal(size=(wish.images, len(wish.classes)))
        logits_NK[np.arange(wish.images), labels_N] += 2.0 / (1 + number % 7)
        chances_NK = np.exp(logits_NK) / np.exp(logits_NK).sum(1, keepdims=True)
        found |= {
            f"{split}_index": np.arange(wish.images) + place * wish.images,
            f"{split}_labels": labels_N,
            f"{split}_probabilities": chances_NK,
        }
    return found


def result(wish: Wish, found: Answered, cell: Cell) -> CellResult:
    """Return what a cell with these predictions would have produced."""
    positive = wish.classes[1] if len(wish.classes) == 2 else None
    figures: dict[str, Any] = {
        split: measure(
            found[f"{split}_probabilities"], found[f"{split}_labels"], wish.classes, positive, num_resamples=wish.resamples
        )
        for split in SPLITS
    }
    val, test = (Answers(found[f"{split}_probabilities"], found[f"{split}_labels"]) for split in ("val", "test"))
    figures |= probabilities.judge(val, test, wish.classes, positive)
    words = {name: getattr(cell, name) for name in ("id", "contender", "backbone", "weights", "freeze", "seed")}
    return CellResult(
        **words,
        status="done",
        learning_params=8194,
        epochs=wish.epochs,
        best_epoch=wish.epochs - 1,
        seconds=Seconds(train=1.0 + cell.seed),
        curves=tuple(record(epoch, cell.seed) for epoch in range(wish.epochs)),
        proof=Proof(),
        engine="eager",
        precision="fp32",
        environment=ENVIRONMENT,
        **figures,
    )


def record(epoch: int, seed: int) -> EpochRecord:
    loss, accuracy = 0.7 / (1 + epoch) + 0.01 * seed, 1 - 0.5 / (1 + epoch) - 0.01 * seed
    return EpochRecord(
        epoch=epoch, learning_rate=0.1, train_loss=loss, train_accuracy=accuracy, val_loss=loss + 0.1, val_accuracy=accuracy - 0.1
    )


def facts(place: int) -> BackboneFacts:
    latency = [Latency("eager", "fp32", batch, (place + 1) * batch / 2, place + batch + 1.0, None, 90.0, 50) for batch in (1, 16)]
    weights = {"name": "V1", "licence": "BSD-3-Clause", "sha256": "ab" * 32, "source": "https://example.org/net.pth"}
    params, size = 1_000_000 * (place + 1), (224, 224)
    return BackboneFacts(
        params=params, params_with_auxiliary=params, gmacs=0.7, size=size, weights=weights, latency=tuple(latency), origin="x 1"
    )


def write_run(folder: Path, wish: Wish | None = None) -> Outcome:
    """Write a run folder and return what it says."""
    wish = wish or Wish()
    run = RunFolder(folder)
    cells: list[Cell] = []
    results: list[CellResult] = []
    kept: dict[int, tuple[Answered, CellResult]] = {}
    contenders = [(name, freeze) for name in wish.names for freeze in wish.freezes]
    for number, (name, freeze) in enumerate(contenders):
        for seed in wish.seeds:
            cell = Cell(
                id=f"c{number}-s{seed}", contender=f"{name}@V1 {freeze}", backbone=name, weights="V1", freeze=freeze, seed=seed,
                recipe={"epochs": wish.epochs}, split={},
            )  # fmt: skip
            one = len(cells) % wish.distinct
            if one not in kept:
                found = answers(wish, number, seed)
                kept[one] = found, result(wish, found, cell)
            words = {name: getattr(cell, name) for name in ("id", "contender", "backbone", "weights", "freeze", "seed")}
            cells.append(cell)
            results.append(dataclasses.replace(kept[one][1], **words))
            # Written as they lie there, without the care for the disk that a report does not read.
            home = folder / "cells" / cell.id
            home.mkdir(parents=True)
            np.savez(home / "predictions.npz", **kept[one][0])  # type: ignore[arg-type]
            digests = {"predictions.npz": durable.sha256(home / "predictions.npz")}
            (home / durable.MANIFEST).write_text(json.dumps(digests))
    known = {f"{name}@V1": facts(place) for place, name in enumerate(wish.names)}
    rows = standings.contenders(cells, results, known)
    pairs = [one for split in ("val", "test") if wish.comparing for one in verdict.compare(results, run, split)]
    ranked = standings.rank(rows, pairs)
    outcome = Outcome(
        run=str(folder),
        dataset={
            "name": wish.data, "pack": "p" * 32, "classes": list(wish.classes), "task": "single-label", "positive": None,
            "images": 3 * wish.images, "splits": dict.fromkeys(SPLITS, wish.images), "drawn": [], "test_looks": len(cells),
            "first_line": f"train {wish.images}, val {wish.images}, test {wish.images} (yours)",
        },
        recipe={"epochs": wish.epochs},
        environment=ENVIRONMENT,
        backbones=known,
        cells=results,
        contenders=ranked,
        comparisons=pairs,
        recommendation=Recommendation(ranked[0].id, "the best on validation", run=str(folder)),
        findings=wish.findings,
    )  # fmt: skip
    run.write_plan({
        "schema": "xzoo.plan/1", "hash": folder.name,
        "data": {"name": wish.data, "pack": "p" * 32, "classes": list(wish.classes)},
        "command": ["compare", *wish.names, "--data", wish.data], "cells": cells,
    })  # fmt: skip
    run.write_outcome(outcome)
    return outcome
