"""An optimiser's step when memory runs out before, between and within its groups: made once and whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import Optimizer

import xzoo
from starving import SAID
from xzoo.model.classifier import Classifier
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.recipe import make
from xzoo.train.shortage import MemoryShortageError
from xzoo.zoo.strategies import parse

KINDS: dict[str, type[torch.optim.SGD | torch.optim.Adam]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
}
OWNERS = 3
"""Groups of the optimiser: two stages and the head."""


@pytest.fixture
def nets(classifier_of: Callable[..., Classifier], plain: xzoo.Backbone) -> Callable[[], Classifier]:
    """Make classifiers that start alike."""
    return lambda: classifier_of(plain)


@pytest.fixture
def trained(eight: Any, device: Device) -> Callable[..., Any]:
    """Train two epochs on eight images, three in a batch, and return the records."""

    def run(classifier: Classifier, **recipe: Any) -> Any:
        values = make({"epochs": 2, "batch_size": 3, **recipe})
        compute = objective(values, eight.labels_B.numpy(), 2, "cpu")
        return list(train(WholeNetwork(classifier), eight, compute, parse("finetune"), values, device, dict))

    return run


def half(optimizer: Optimizer, step: Callable[..., Any]) -> None:
    """Leave an optimiser as memory that runs out in the middle of a group does: a loop behind its first parameter, a fused one
    with some of its moments."""
    params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if isinstance(optimizer, torch.optim.SGD):
        held = [p.grad for p in params]
        for p in params[1:]:
            p.grad = None
        step(optimizer)
        for p, gradient in zip(params, held, strict=True):
            p.grad = gradient
    else:
        optimizer.state[params[0]]["step"] = torch.tensor(7.0)


POINTS = [(when, place, name) for when in ("at first", "in the middle") for place in (0, 1, 2, 5) for name in KINDS]
"""When in which of the optimiser's steps; a fused one allocates nothing once it has its moments."""


@pytest.mark.parametrize(
    ("when", "place", "optimizer"), [one for one in POINTS if one[0] == "at first" or one[2] == "sgd" or one[1] < OWNERS]
)
def test_memory_that_runs_out_in_the_optimiser_leaves_no_half_step(
    when: str, place: int, optimizer: str, nets: Any, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, struck = nets(), nets()
    trained(sound, optimizer=optimizer)
    step, num_calls = KINDS[optimizer].step, 0

    def strike(self: Any) -> Any:
        nonlocal num_calls
        num_calls += 1
        if num_calls != place + 1:
            return step(self)
        if when == "in the middle":
            half(self, step)
        raise torch.OutOfMemoryError(SAID)

    monkeypatch.setattr(KINDS[optimizer], "step", strike)
    records = trained(struck, optimizer=optimizer)
    assert num_calls > place
    assert not any(record.memory for record in records)
    for name, tensor in sound.network.state_dict().items():
        assert torch.equal(tensor, struck.network.state_dict()[name]), name


def test_an_optimiser_that_has_no_memory_behind_its_first_change_ends_the_cell(
    nets: Any, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, calls = torch.optim.AdamW.step, []

    def strike(self: Any, *words: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise torch.OutOfMemoryError(SAID)
        return step(self, *words)

    monkeypatch.setattr(torch.optim.AdamW, "step", strike)
    with pytest.raises(MemoryShortageError, match="in the optimiser's step"):
        trained(nets())
