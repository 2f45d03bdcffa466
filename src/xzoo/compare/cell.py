"""One cell, from a loaded network to a result: laid out, looked at, trained, proven, finished."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path

import numpy as np
from torch import Tensor

from xzoo.compare.bench import Bench
from xzoo.compare.blame import naming
from xzoo.compare.determinism import streams
from xzoo.compare.finishing import Output, Told, finish
from xzoo.compare.layout import lay_out
from xzoo.compare.progress import Progress
from xzoo.compare.resuming import Resumed, Resuming
from xzoo.data.pack import Pack
from xzoo.errors import PreflightError
from xzoo.evaluate.predictions import Predictions
from xzoo.runs.result import Cell, EpochRecord
from xzoo.train.device import Device
from xzoo.train.holding import held
from xzoo.train.loop import train
from xzoo.train.objective import Objective, objective
from xzoo.train.preflight import preflight
from xzoo.train.prepared import Prepared
from xzoo.train.proof import demand, moved, prove, snapshot


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

    Of several ranks all do the same at the same time, and the leader alone has checkpoints and an output.

    Raises CellError for a cell that cannot be trained as asked, and StorageError.
    """
    began = time.perf_counter()
    device.reset_peak_memory()
    if cell.recipe["head"] == "solver":
        raise PreflightError(
            f"head=solver cannot find the head of {cell.contender}",
            "it needs --freeze frozen, a linear head with a bias, and no augmentation; or leave head=loop",
        )
    with device.ranks.leader_first("laid out"):
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
    finished = finish(bench, told)
    if device.ranks.is_leader:
        yield finished.output(pack, positive)


def watched(found: Mapping[str, Predictions]) -> dict[str, float]:
    """Return what an epoch's record says of the splits it looked at."""
    return {f"{split}_{what}": getattr(one, what) for split, one in found.items() for what in ("loss", "accuracy")}


def look_first(bench: Bench, compute_loss: Objective) -> None:
    """Try the first and the last phase on two images, of the lowest and of the highest class."""
    train = bench.split.train
    labels_N = bench.labels_N[train]
    inputs, labels_B = next(bench.ordered(train[[labels_N.argmin(), labels_N.argmax()]]))
    stages, epochs = bench.classifier.stages, bench.recipe.epochs
    phases = [bench.strategy.rates(stages, epoch, epochs) for epoch in (0, epochs - 1)]
    for rates in phases if phases[0] != phases[1] else phases[:1]:
        preflight(bench.learner, inputs, labels_B, compute_loss, rates, bench.device)
