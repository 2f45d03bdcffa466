"""What a training goes on from: taken between two steps, and put back into one that begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from xzoo.model.classifier import Classifier
from xzoo.train.checkpoint import Checkpoints, State
from xzoo.train.graph import Stepping
from xzoo.train.proof import moved
from xzoo.train.shortage import as_shortages

Groups = Sequence[tuple[str, list[nn.Parameter]]]


@dataclass(eq=False)
class Standing:
    """Where a training stands between two steps: number `step` of epoch `epoch` comes next, both counted from 0.

    `seen` images and `seconds` of the epoch lie behind; `learning` are the owners that learnt in the step before.
    """

    classifier: Classifier
    steps: Stepping
    device: str
    optimizer: Optimizer | None = None
    learning: set[str] = field(default_factory=set)
    epoch: int = 0
    step: int = 0
    seen: int = 0
    seconds: float = 0.0
    _mark: float = 0.0
    _found: State | None = None

    @property
    def held(self) -> set[str]:
        """The owners that the optimiser holds."""
        return {group["owner"] for group in self.optimizer.param_groups} if self.optimizer else set()

    def time(self) -> None:
        """Begin to count seconds from now on."""
        self._mark = time.perf_counter()

    def count_time(self) -> None:
        """Count the seconds since the last count."""
        now = time.perf_counter()
        self.seconds, self._mark = self.seconds + now - self._mark, now

    def count(self, num_images: int) -> None:
        """Count a step on so many images."""
        self.seen += num_images
        self.step += 1

    def next_epoch(self) -> None:
        """Turn to the beginning of the next epoch."""
        self.epoch, self.step, self.seen, self.seconds = self.epoch + 1, 0, 0, 0.0

    def take_up(self) -> None:
        """In an epoch that was left in its middle, put back its sums, and the streams from which dropout draws."""
        if self._found is not None and self.step:
            for mine, name in zip(self.steps.sums, ("loss", "right"), strict=True):
                mine.copy_(self._found.tensors[f"sums/{name}"])
            torch.set_rng_state(self._found.tensors["random/cpu"])
            if self.device.startswith("cuda"):
                torch.cuda.set_rng_state(self._found.tensors["random/cuda"], self.device)
        self._found = None

    def taken(self, start: Mapping[str, Tensor]) -> State:
        """Return all of this: of the network what is not as it was at the `start`."""
        tensors = {f"network/{name}": tensor for name, tensor in self._moved(start).items()}
        tensors |= {f"optimizer/{name}": tensor for name, tensor in self._moments().items()}
        tensors |= {f"sums/{name}": value for name, value in zip(("loss", "right"), self.steps.sums, strict=True)}
        tensors["random/cpu"] = torch.get_rng_state()
        if self.device.startswith("cuda"):
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.device)
        facts: dict[str, Any] = {name: getattr(self, name) for name in ("epoch", "step", "seen", "seconds")}
        facts["memory"] = [asdict(one) for one in self.steps.memory]
        facts["held"] = [group["owner"] for group in self.optimizer.param_groups] if self.optimizer else []
        return State(tensors, {**facts, "learning": sorted(self.learning), "resting": sorted(self.classifier.resting)})

    def go_on(self, found: State, hold: Callable[[Groups], Optimizer]) -> None:
        """Become what was `taken`; `hold` makes the optimiser."""
        classifier, facts = self.classifier, found.facts
        classifier.restore(found.below("network"))
        classifier.resting |= set(facts["resting"])
        self.learning, self._found = set(facts["learning"]), found
        self.steps.resume(as_shortages(facts["memory"]))
        self.epoch, self.step, self.seen, self.seconds = (facts[name] for name in ("epoch", "step", "seen", "seconds"))
        optimizer = hold([(owner, classifier.parameters_of(owner)) for owner in facts["held"]])
        parameters = dict(classifier.network.named_parameters())
        for path, value in found.below("optimizer").items():
            name, _, key = path.rpartition("/")
            optimizer.state[parameters[name]][key] = _like(value, parameters[name])

    def _moved(self, start: Mapping[str, Tensor]) -> dict[str, Tensor]:
        now = self.classifier.network.state_dict()
        return {name: now[name] for name in sorted(moved(start, now))}

    def _moments(self) -> dict[str, Tensor]:
        """Return what the optimiser remembers of each parameter."""
        state = self.optimizer.state if self.optimizer else {}
        return {
            f"{name}/{key}": value
            for name, parameter in self.classifier.network.named_parameters()
            for key, value in state.get(parameter, {}).items()
            if isinstance(value, Tensor)
        }


@dataclass(eq=False)
class Saving:
    """A training's checkpoints, the tensors it started from, and what its caller keeps beside it; without any it saves nothing.

    `beside` is told how many epochs have ended; what it keeps of more is left out, and of fewer it is None. `found` is what to go
    on from. A step under way is not to be saved. `has_ended` says that no further epoch is wanted.
    """

    checkpoints: Checkpoints | None = None
    start: Mapping[str, Tensor] = field(default_factory=dict)
    beside: Callable[[int], State | None] = lambda _: State()
    found: State | None = None
    has_ended: bool = False
    is_in_step: bool = False
    _saved: tuple[int, int] | None = None

    @property
    def is_due(self) -> bool:
        """Whether an interval has gone by."""
        return self.checkpoints is not None and self.checkpoints.is_due

    @property
    def is_worth_it(self) -> bool:
        """Whether so much is not saved yet that it should be before other long work."""
        return self.checkpoints is not None and self.checkpoints.is_worth_one

    def save(self, standing: Standing) -> None:
        """Write a checkpoint, unless nothing has changed since the last. Raises StorageError."""
        place = standing.epoch, standing.step
        if self.checkpoints is None or self.is_in_step or place == self._saved or not standing.held:
            return
        if (beside := self.beside(standing.epoch)) is None:
            return
        standing.count_time()
        own = standing.taken(self.start)
        self.checkpoints.write(State({**beside.tensors, **own.tensors}, {**beside.facts, **own.facts}))
        self._saved = place
        standing.time()

    def go_on(self, standing: Standing, hold: Callable[[Groups], Optimizer]) -> None:
        """Put what was found into a training that begins."""
        if self.found is not None:
            standing.go_on(self.found, hold)
            self._saved = standing.epoch, standing.step


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """Return an optimiser's tensor where its parameter lies and in its order in memory, which fused steps rely on."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
