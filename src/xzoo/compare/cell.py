"""One cell, from a loaded network to a result: laid out, looked at, trained, evaluated, proven.

N = images, K = classes
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from xzoo.compare.bench import Bench
from xzoo.compare.blame import naming
from xzoo.compare.determinism import level_of, streams
from xzoo.compare.fit import Watched, read_fit
from xzoo.compare.gap import gaps
from xzoo.compare.layout import lay_out
from xzoo.compare.probabilities import Answers, judge
from xzoo.compare.progress import Progress
from xzoo.compare.resuming import Resumed, Resuming
from xzoo.data.pack import Pack
from xzoo.data.split import Split
from xzoo.errors import PreflightError
from xzoo.evaluate.metrics import measure
from xzoo.evaluate.predictions import Predictions
from xzoo.runs.conditions import Shortage
from xzoo.runs.result import Cell, CellResult, EpochRecord, Metrics, Proof, Seconds
from xzoo.train.device import Device, environment
from xzoo.train.holding import held
from xzoo.train.loop import train
from xzoo.train.objective import Objective, objective
from xzoo.train.preflight import preflight
from xzoo.train.prepared import Prepared
from xzoo.train.proof import demand, moved, prove, snapshot

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Output:
    """A finished cell: its result, its predictions by `<split>_<what>`, and the tensors it learnt."""

    result: CellResult
    predictions: Mapping[str, NDArray[Any]]
    learnt: Mapping[str, NDArray[Any]]


def compute(
    prepared: Prepared,
    cell: Cell,
    pack: Pack,
    device: Device,
    *,
    positive: str | None = None,
    watch_test: bool = False,
    checkpoints: Path | None = None,
) -> Generator[Resumed | EpochRecord | Output]:
    """Yield a record after each epoch and, last, the output; first, where `checkpoints` hold the cell's beginning, from where on.

    Raises CellError for a cell that cannot be trained as asked, and StorageError.
    """
    began = time.perf_counter()
    device.reset_peak_memory()
    if cell.recipe["head"] == "solver":
        raise PreflightError(
            f"head=solver cannot find the head of {cell.contender}",
            "it needs --freeze frozen, a linear head with a bias, and no augmentation; or leave head=loop",
        )
    bench = lay_out(prepared, cell, pack, device)
    device = bench.device
    network, owners = bench.classifier.network, bench.classifier.tensor_owner
    compute_loss = objective(bench.recipe, bench.labels_N[bench.split.train], len(pack.classes), device.kind)
    look_first(bench, compute_loss)
    before = snapshot(network)
    bench.trial()
    bench.prepare_seconds = time.perf_counter() - began

    def watch() -> Mapping[str, float]:
        found = {split: bench.predictions(split) for split in (("val", "test") if watch_test else ("val",))}
        bench.val_losses.append(found["val"].image_losses.astype(np.float32))
        return watched(found)

    progress: Progress[Mapping[str, Tensor]] = Progress(bench.recipe)
    resuming = Resuming(prepared, bench, progress, checkpoints)
    saving = resuming.saving(before)
    if resuming.event is not None:
        yield resuming.event
    drawn = streams()
    with (
        naming(bench),
        closing(
            train(bench.learner, bench.training, compute_loss, bench.strategy, bench.recipe, device, watch, saving)
        ) as records,
    ):
        for record in records:
            with held():
                progress.add(record, lambda: bench.classifier.learnt(bench.learning()))
                saving.has_ended = progress.is_over
            yield record
    learning = bench.learning(len(progress.curves))
    proof = demand(prove(before, network, owners, learning, bench.classifier.resting), "at the end of the cell")
    still = tuple(sorted(bench.classifier.resting - moved(before, network.state_dict())))
    bench.classifier.restore(progress.kept or {})
    bench.learner.finish()
    notes = tuple(dict.fromkeys(record.note for record in progress.curves if record.note))
    told = Told(
        tuple(progress.curves),
        progress.chosen,
        learning,
        proof,
        still,
        notes=(*notes, *resuming.notes),
        resumed=resuming.times,
        changes=resuming.changes,
        draws_on_host=streams() != drawn,
    )
    yield finish(bench, told).output(pack, positive)


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


def watched(found: Mapping[str, Predictions]) -> dict[str, float]:
    """Return what an epoch's record says of the splits it looked at."""
    return {f"{split}_{what}": getattr(one, what) for split, one in found.items() for what in ("loss", "accuracy")}


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


def look_first(bench: Bench, compute_loss: Objective) -> None:
    """Try the first and the last phase on two images, of the lowest and of the highest class."""
    train = bench.split.train
    labels_N = bench.labels_N[train]
    inputs, labels_B = next(bench.ordered(train[[labels_N.argmin(), labels_N.argmax()]]))
    stages, epochs = bench.classifier.stages, bench.recipe.epochs
    phases = [bench.strategy.rates(stages, epoch, epochs) for epoch in (0, epochs - 1)]
    for rates in phases if phases[0] != phases[1] else phases[:1]:
        preflight(bench.learner, inputs, labels_B, compute_loss, rates, bench.device)


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
