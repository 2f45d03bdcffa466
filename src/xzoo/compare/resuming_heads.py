"""Heads that are trained together, and go on from their checkpoints together.

O = outputs, D = features and a constant 1
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from xzoo.compare.learning import Head
from xzoo.compare.resuming import Resumed, changes, in_words, surroundings
from xzoo.runs.result import EpochRecord
from xzoo.train.checkpoint import Checkpoints, State
from xzoo.train.heads import BegunHead
from xzoo.train.prepared import Prepared

_NAMES = ("weights_OD", "first_OD", "second_OD")


class HeadCheckpoints:
    """The checkpoints of heads of one kind: one file for all that a process trains, of which each head takes its part again.

    `folder` gives the place for a name; without it nothing is saved. `event` tells where heads go on. A head whose training
    failed is in no checkpoint, so that it fails again, and in the same words.
    """

    def __init__(self, prepared: Prepared, heads: Sequence[Head], folder: Callable[[str], Path] | None) -> None:
        self._heads = heads
        device = heads[0].bench.device
        self._here = surroundings(device)
        self._found: list[tuple[State, list[Head]]] = []
        self._checkpoints: Checkpoints | None = None
        self._done: list[Checkpoints] = []
        self.event: Resumed | None = None
        if folder is not None and heads[0].bench.recipe.head == "loop":
            # Processes that share a run share the heads of one kind among them; each writes in a folder of its own.
            kind = _hash(f"{prepared.body} {_words(heads[0])} {heads[0].task.kind}")
            own = folder(f"heads-{kind}-{_hash(' '.join(head.bench.cell.id for head in heads))}")
            about = {"network": prepared.body, "device": device.kind, "precision": device.precision}
            self._checkpoints = Checkpoints(own, about)
            others = [Checkpoints(path, about) for path in sorted(own.parent.glob(f"heads-{kind}-*")) if path != own]
            self._look([self._checkpoints, *others])

    def _look(self, places: Sequence[Checkpoints]) -> None:
        """Find each head in the checkpoint that has most of its epochs; one that nobody else needs is removed in the end."""
        states = [(place, place.newest()) for place in places]
        found = sorted((state for _, state in states if state), key=lambda state: -int(state.facts["epochs"]))
        left = list(self._heads)
        for state in found:
            here = [head for head in left if head.bench.cell.id in state.facts["heads"]]
            left = [head for head in left if head not in here]
            self._found += [(state, here)] if here else []
        ids = {head.bench.cell.id for head in self._heads}
        self._done = [place for place, state in states if state is None or state.facts["heads"].keys() <= ids]
        messages = tuple(itertools.chain.from_iterable(place.messages for place in places))
        if self._found or messages:
            epochs = int(self._found[0][0].facts["epochs"]) if self._found else 0
            behind = [state.facts["heads"][head.bench.cell.id]["resumed"] + 1 for state, here in self._found for head in here]
            num_steps = self._heads[0].bench.training.num_steps
            self.event = Resumed(epochs, (), 0, num_steps, max(behind, default=0), messages)

    @property
    def is_due(self) -> bool:
        """Whether an interval has gone by."""
        return self._checkpoints is not None and self._checkpoints.is_due

    def parts(self) -> Iterator[tuple[Sequence[Head], Sequence[BegunHead], int]]:
        """Yield heads that go on from a checkpoint, put back as they were, and last those that begin."""
        for state, heads in self._found:
            yield heads, [self._take_up(state, head) for head in heads], state.facts["epochs"]
        begun = {head for _, heads in self._found for head in heads}
        if new := [head for head in self._heads if head not in begun]:
            yield new, (), 0

    def save(self, heads: Sequence[Head], begun: Sequence[BegunHead], num_epochs: int) -> None:
        """Keep heads as they are behind so many epochs. Raises StorageError."""
        if self._checkpoints is None:
            return
        tensors: dict[str, Tensor] = {}
        facts: dict[str, Any] = {}
        for head, one in zip(heads, begun, strict=True):
            if head.error is None:
                own, facts[head.bench.cell.id] = self._taken(head, one)
                tensors |= {f"{head.bench.cell.id}/{name}": tensor for name, tensor in own.items()}
        self._checkpoints.write(State(tensors, {"epochs": num_epochs, "heads": facts}))

    def remove(self) -> None:
        """Remove the checkpoints, once each head's cell is kept. Raises StorageError."""
        for place in self._done:
            place.remove()

    def _taken(self, head: Head, begun: BegunHead) -> tuple[dict[str, Tensor], dict[str, Any]]:
        assert head.progress.kept is not None
        assert head.last_OD is not None
        tensors = {name: getattr(begun, name) for name in _NAMES}
        tensors |= {"kept": head.progress.kept, "last": head.last_OD, "losses": torch.from_numpy(np.stack(head.bench.val_losses))}
        facts = {
            "curves": [asdict(record) for record in head.progress.curves],
            "resting": [*begun.resting],
            "resting_last": [*head.resting],
            "spent": dict(head.bench.spent),
            "prepare": head.bench.prepare_seconds,
            "resumed": head.resumed,
            "surroundings": self._here,
        }
        return tensors, facts

    def _take_up(self, found: State, head: Head) -> BegunHead:
        """Put back what a head had become, and return what its training goes on from."""
        facts, tensors = found.facts["heads"][head.bench.cell.id], found.below(head.bench.cell.id)
        where = head.task.inputs_ND.device
        head.progress.take_up([msgspec.convert(each, EpochRecord) for each in facts["curves"]], tensors["kept"].to(where))
        head.last_OD, head.resting = tensors["last"].to(where), _pair(facts["resting_last"])
        head.is_done = head.progress.is_over
        head.bench.val_losses[:] = list(tensors["losses"].numpy())
        head.bench.spent.update(facts["spent"])
        head.bench.prepare_seconds += facts["prepare"]
        head.resumed = facts["resumed"] + 1
        head.notes = (*head.notes, *in_words(head.resumed, changes(facts["surroundings"], self._here)))
        return BegunHead(tensors["weights_OD"], tensors["first_OD"], tensors["second_OD"], _pair(facts["resting"]))


def _words(head: Head) -> Mapping[str, Any]:
    """Return the recipe of a head without what may differ between heads that are trained together."""
    return {name: head.bench.cell.recipe[name] for name in ("precision", "size", "crop", "engine")}


def _hash(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def _pair(values: Sequence[bool]) -> tuple[bool, bool]:
    first, second = values
    return bool(first), bool(second)
