"""A cell that goes on from its checkpoints, and what it keeps in them beside the training: epochs so far, weights, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from xzoo.compare.bench import Bench
from xzoo.compare.progress import Progress
from xzoo.runs.result import EpochRecord
from xzoo.train.checkpoint import Checkpoints, State
from xzoo.train.checkpoint_state import Saving
from xzoo.train.device import Device, environment
from xzoo.train.prepared import Prepared


@dataclass(frozen=True)
class Resumed:
    """Where a cell goes on: behind so many epochs and `step` further steps of `num_steps`; `times` it has done so.

    `curves` are those epochs, empty where they are told later. `messages` say which checkpoints could not be used. Where `times`
    is 0, none could, and the cell begins anew.
    """

    epochs: int
    curves: tuple[EpochRecord, ...]
    step: int
    num_steps: int
    times: int
    messages: tuple[str, ...]


class Resuming:
    """A cell's checkpoints in a folder, none without one. `event` tells where it goes on, `notes` what the result says of it."""

    def __init__(self, prepared: Prepared, bench: Bench, progress: Progress[Mapping[str, Tensor]], folder: Path | None) -> None:
        self.bench, self.progress = bench, progress
        self.times = 0
        self.event: Resumed | None = None
        self._here = surroundings(bench.device)
        self._changes: list[str] = []
        device = bench.device
        about = {"cell": bench.cell.id, "network": prepared.body, "device": device.kind, "precision": device.precision}
        self._checkpoints = Checkpoints(folder, about) if folder is not None else None

    @property
    def changes(self) -> tuple[str, ...]:
        """What was different when it was resumed."""
        return tuple(self._changes)

    @property
    def notes(self) -> tuple[str, ...]:
        """How often it was resumed, and what was different then."""
        return in_words(self.times, self._changes)

    def saving(self, start: Mapping[str, Tensor]) -> Saving:
        """Return what the training saves with, and put back what lay beside it. `start` are the tensors it begins with."""
        found = self.bench.device.ranks.from_leader(self._checkpoints.newest() if self._checkpoints else None)
        messages = tuple(self._checkpoints.messages) if self._checkpoints else ()
        if found is not None:
            self._take_up(found)
        if found is not None or messages:
            step, curves = found.facts["step"] if found else 0, tuple(self.progress.curves)
            self.event = Resumed(len(curves), curves, step, self.bench.training.num_steps, self.times, messages)
        return Saving(self._checkpoints, start, self._beside, found, has_ended=self.progress.is_over)

    def _beside(self, num_epochs: int) -> State | None:
        """Return what to keep once so many epochs have ended; None while their records are not all here."""
        progress, bench = self.progress, self.bench
        if len(progress.curves) != num_epochs:
            return None
        tensors = {f"kept/{name}": tensor for name, tensor in (progress.kept or {}).items()}
        if num_epochs:
            tensors["losses"] = torch.from_numpy(np.stack(bench.val_losses[:num_epochs]))
        facts = {
            "curves": [asdict(record) for record in progress.curves],
            "spent": dict(bench.spent),
            "prepare": bench.prepare_seconds,
            "resumed": self.times,
            "changes": self._changes,
            "surroundings": self._here,
        }
        return State(tensors, facts)

    def _take_up(self, found: State) -> None:
        facts, bench = found.facts, self.bench
        curves = [msgspec.convert(each, EpochRecord) for each in facts["curves"]]
        self.progress.take_up(curves, found.below("kept") if curves else None)
        bench.val_losses[:] = list(found.tensors["losses"].numpy()) if curves else []
        bench.spent.update(facts["spent"])
        bench.prepare_seconds += facts["prepare"]
        self.times = facts["resumed"] + 1
        self._changes = [*facts["changes"], *changes(facts["surroundings"], self._here)]


def surroundings(device: Device) -> dict[str, str]:
    """Return what the last bits of a result rest on besides the kind of device and precision."""
    found = environment(device)
    versions, named = found["versions"], {"hardware": found["device"], "threads": str(found["threads"])}
    return {"torch": versions["torch"], **named, "ranks": str(found["ranks"])}


def changes(then: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Return in words what surroundings differ in."""
    return [f"{name} {then[name]}, then {now}" for name, now in here.items() if then.get(name, now) != now]


def in_words(times: int, changed: Sequence[str]) -> tuple[str, ...]:
    """Return the note of a result that was resumed so often, and of what was different then; none where it was not."""
    return (", ".join([f"resumed from a checkpoint {times} time{'s' if times > 1 else ''}", *changed]),) if times else ()
