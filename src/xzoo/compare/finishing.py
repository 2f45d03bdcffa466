"""What becomes of a cell whose training is over: answers to every image, measured, and its result.

N = images, K = classes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.compare.bench import Bench
from xzoo.compare.determinism import level_of
from xzoo.compare.fit import Watched, read_fit
from xzoo.compare.gap import gaps
from xzoo.compare.probabilities import Answers, judge
from xzoo.data.pack import Pack
from xzoo.data.split import Split
from xzoo.evaluate.metrics import measure
from xzoo.evaluate.predictions import Predictions
from xzoo.runs.conditions import Shortage
from xzoo.runs.result import Cell, CellResult, EpochRecord, Metrics, Proof, Seconds
from xzoo.train.device import environment

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Output:
    """A finished cell: its result, its predictions by `<split>_<what>`, and the tensors it learnt."""

    result: CellResult
    predictions: Mapping[str, NDArray[Any]]
    learnt: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Told:
    """What training says of itself: curves, the place of the epoch whose weights are kept, the owners that learnt, the proof."""

    curves: tuple[EpochRecord, ...]
    best: int
    learning: set[str]
    proof: Proof
    still: tuple[str, ...]
    heads: int = 1
    notes: tuple[str, ...] = ()
    resumed: int = 0
    changes: tuple[str, ...] = ()
    draws_on_host: bool = False

    @property
    def memory(self) -> tuple[Shortage, ...]:
        """Where memory ran out in training."""
        return tuple(one for record in self.curves for one in record.memory)


@dataclass(frozen=True, eq=False)
class Finished:
    """A cell whose network has answered every image; what is left needs the network no more."""

    bench: Bench
    told: Told
    found: Mapping[str, Predictions]
    learnt: Mapping[str, NDArray[Any]]
    training: Mapping[str, Any]

    def output(self, pack: Pack, positive: str | None) -> Output:
        """Measure the predictions and return the cell's output."""
        bench, told = self.bench, self.told
        notes, memory = (*bench.notes, *told.notes), (*told.memory, *bench.memory)
        level = level_of(bench.device, memory, notes, heads=told.heads, changes=told.changes, draws_on_host=told.draws_on_host)
        answers = {name: _answers(bench, name, one, pack) for name, one in self.found.items()}
        result = CellResult(
            **_identity(bench.cell),
            **self.training,
            **judge(answers["val"], answers["test"], pack.classes, positive, seed=bench.cell.seed),
            fit={**_fit(bench, told.curves, answers["val"]), **gaps(answers["train"], answers["val"])},
            train=_measured(bench, answers["train"], pack, positive),
            val=_measured(bench, answers["val"], pack, positive),
            test=_measured(bench, answers["test"], pack, positive),
            status="done",
            best_epoch=told.best,
            proof=told.proof,
            steps_below_resolution=told.still,
            heads=told.heads,
            notes=notes,
            engine=bench.engine,
            resumed=told.resumed,
            memory=memory,
            determinism=level,
        )
        return Output(result, _arrays(bench.split, self.found), self.learnt)


def finish(bench: Bench, told: Told) -> Finished:
    """Let the classifier, with the weights it now has, answer every image, and take a copy of what it learnt."""
    found = {split: bench.predictions(split) for split in SPLITS}
    learnt = {name: tensor.numpy() for name, tensor in bench.classifier.learnt(told.learning).items()}
    return Finished(bench, told, found, learnt, _training(bench, told.curves, told.learning))


def _training(bench: Bench, curves: Sequence[EpochRecord], learning: set[str]) -> dict[str, Any]:
    """Return what the result says of the training itself: its length, times, memory, curves and surroundings."""
    trained = sum(record.seconds for record in curves)
    return {
        "learning_params": sum(p.numel() for owner in learning for p in bench.classifier.parameters_of(owner)),
        "epochs": len(curves),
        "seconds": Seconds(bench.prepare_seconds, trained, bench.spent["val"], bench.spent["test"], bench.feature_seconds),
        "peak_memory_mb": bench.device.peak_memory_mb(),
        "curves": tuple(curves),
        "splits": {name: len(getattr(bench.split, name)) for name in SPLITS},
        "precision": bench.device.precision,
        "environment": environment(bench.device),
    }


def _identity(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in ("id", "contender", "backbone", "weights", "freeze", "seed")}


def failed(cell: Cell, kind: str, text: str, remedy: str) -> CellResult:
    """Return the result of a cell that could not be computed."""
    return CellResult(**_identity(cell), status="failed", error={"kind": kind, "text": text, "remedy": remedy})


def _fit(bench: Bench, curves: Sequence[EpochRecord], val: Answers) -> Mapping[str, Any]:
    if len(bench.val_losses) != len(curves) or not len(val.labels_N):
        return read_fit(curves)
    losses_EN = np.stack(bench.val_losses).astype(np.float64)
    return read_fit(curves, Watched(losses_EN, val.groups_N, max(2, bench.classifier.num_outputs)))


def _measured(bench: Bench, answers: Answers, pack: Pack, positive: str | None) -> Metrics:
    return measure(
        answers.chances_NK,
        answers.labels_N,
        pack.classes,
        positive,
        train_labels_N=bench.labels_N[bench.split.train],
        groups_N=answers.groups_N,
        seed=bench.cell.seed,
    )


def _answers(bench: Bench, split: str, found: Predictions, pack: Pack) -> Answers:
    return Answers(found.probabilities_NK, found.labels_N, _patients(bench, split, pack))


def _patients(bench: Bench, split: str, pack: Pack) -> NDArray[np.str_] | None:
    """Return the patient of each image of a split, where any is known; an image of no known patient is one of its own."""
    if not any(pack.groups_N):
        return None
    return np.array([pack.groups_N[index] or f"alone {index}" for index in getattr(bench.split, split)])


def _arrays(split: Split, found: Mapping[str, Predictions]) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for name, one in found.items():
        arrays[f"{name}_index"] = np.asarray(getattr(split, name))
        arrays[f"{name}_probabilities"] = one.probabilities_NK
        arrays[f"{name}_labels"] = one.labels_N
    return arrays
