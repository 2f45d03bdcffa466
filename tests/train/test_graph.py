"""Recorded steps, with a recorder that computes nothing when it records and repeats the work when it replays, as a graph does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import xzoo
from xzoo.model.classifier import Classifier
from xzoo.runs.result import EpochRecord
from xzoo.train import loop
from xzoo.train.capture import NotRecordableError, Run
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.objective import objective
from xzoo.train.proof import snapshot
from xzoo.train.recipe import make
from xzoo.zoo.strategies import parse

Make = Callable[..., Classifier]


class Tape:
    """A recorder on the host. `said` is what it finds when it watches, `breaks` what it says when it records."""

    def __init__(self, said: str = "", breaks: str = "") -> None:
        self.said, self.breaks = said, breaks
        self.done: list[str] = []
        self.held: list[int] = []

    def watched(self, run: Run) -> str:
        self.done.append("watched")
        run()
        return self.said

    def record(self, run: Run) -> Run:
        optimizer = run.func.__self__.optimizer  # type: ignore[attr-defined]
        assert all(group.get("capturable", True) for group in optimizer.param_groups)
        assert all(p.grad is None for group in optimizer.param_groups for p in group["params"])
        self.done.append("recorded")
        if self.breaks:
            raise NotRecordableError(self.breaks)
        rates = [group["lr"] for group in optimizer.param_groups]
        inputs = run.args[0]  # type: ignore[attr-defined]

        def replay() -> None:
            # A graph knows addresses, and none of what Python has put elsewhere since.
            assert all(group["lr"] is rate for group, rate in zip(optimizer.param_groups, rates, strict=True))
            assert not any(group.get("capturable") for group in optimizer.param_groups)
            self.done.append("replayed")
            self.held.append(inputs.data_ptr())
            run()

        return replay


@dataclasses.dataclass(frozen=True, eq=False)
class Shuffled:
    """Eight images in batches of three, three and two, in another order in every epoch."""

    images_BCHW: Tensor
    labels_B: Tensor
    seed: int = 0
    num_steps: int = 3

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for places in torch.split(torch.randperm(8, generator=torch.Generator().manual_seed(epoch)), 3)[start:]:
            yield self.images_BCHW[places], self.labels_B[places]


@pytest.fixture
def trained(eight: Any, device: Device, classifier_of: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Train a backbone with a recorder, and return the records and the tensors."""

    def run(
        backbone: xzoo.Backbone, recorder: Tape | None, freeze: str = "finetune", **recipe: Any
    ) -> tuple[list[EpochRecord], dict[str, Tensor]]:
        monkeypatch.setattr(loop, "recorder_of", lambda device: recorder)
        values = make({"epochs": 3, "lr": 0.01, **recipe})
        classifier = classifier_of(backbone)
        compute = objective(values, eight.labels_B.numpy(), 2, "cpu")
        batches = Shuffled(eight.images_BCHW, eight.labels_B)
        records = list(train(classifier, batches, compute, parse(freeze), values))
        return [dataclasses.replace(record, seconds=0.0) for record in records], snapshot(classifier.network)

    def train(classifier: Classifier, batches: Any, compute: Any, strategy: Any, values: Any) -> Iterator[EpochRecord]:
        return loop.train(WholeNetwork(classifier), batches, compute, strategy, values, device, dict)

    return run


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("freeze", ["finetune", "gradual:1", "layerwise:0.5"])
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_replayed_steps_learn_what_eager_ones_learn(freeze: str, optimizer: str, tiny: xzoo.Backbone, trained: Any) -> None:
    values = {"optimizer": optimizer, "warmup": 1.0}
    eager, replayed = (trained(tiny, Tape(said), freeze, **values) for said in ("it waits", ""))
    assert same(eager[1], replayed[1])
    assert [dataclasses.replace(record, note="") for record in eager[0]] == replayed[0]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_rates_on_the_device_teach_what_numbers_teach(optimizer: str, plain: xzoo.Backbone, trained: Any) -> None:
    numbers, tensors = (trained(plain, recorder, optimizer=optimizer)[1] for recorder in (None, Tape()))
    for name, tensor in numbers.items():
        assert torch.allclose(tensor, tensors[name], atol=1e-6), name


def test_one_recording_serves_a_phase_and_batches_of_another_shape_are_eager(plain: xzoo.Backbone, trained: Any) -> None:
    tape = Tape()
    trained(plain, tape)
    assert tape.done == ["watched", "recorded", *["replayed"] * 5]
    assert len(set(tape.held)) == 1


def test_a_new_phase_is_recorded_anew(plain: xzoo.Backbone, trained: Any) -> None:
    tape = Tape()
    trained(plain, tape, "gradual:1")
    assert tape.done == ["watched", "recorded", "replayed"] * 3


@pytest.mark.parametrize(("tape", "reason"), [(Tape(said="it waits"), "it waits"), (Tape(breaks="it breaks"), "it breaks")])
def test_steps_that_cannot_be_recorded_are_eager_and_the_record_says_why(
    tape: Tape, reason: str, plain: xzoo.Backbone, trained: Any
) -> None:
    records, tensors = trained(plain, tape)
    assert [record.note for record in records] == [f"steps are not recorded as a CUDA graph: {reason}"] * 3
    assert "replayed" not in tape.done
    assert tape.done.count("recorded") == (1 if tape.breaks else 0)
    assert same(tensors, trained(plain, Tape())[1])


def test_a_step_on_the_host_is_eager_and_nothing_is_said_of_it(plain: xzoo.Backbone, trained: Any) -> None:
    assert {record.note for record in trained(plain, None)[0]} == {""}
