from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

import xzoo
from xzoo.errors import CellError, ProofError
from xzoo.model.classifier import Classifier
from xzoo.runs.result import EpochRecord
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import set_batch_norm_momentum, train
from xzoo.train.objective import objective
from xzoo.train.proof import moved, snapshot
from xzoo.train.recipe import Recipe, make
from xzoo.zoo.strategies import parse

Make = Callable[..., Classifier]
PLAIN_SGD = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant"}


@pytest.fixture
def trained(eight: Any, device: Device) -> Callable[..., list[EpochRecord]]:
    """Train a classifier, or a learner, on eight images, and return the records."""

    def run(learner: Any, freeze: str = "finetune", batches: Any = None, watch: Any = dict, **recipe: Any) -> list[EpochRecord]:
        values = make({"epochs": 1, **recipe})
        batches = eight if batches is None else batches
        learner = WholeNetwork(learner) if isinstance(learner, Classifier) else learner
        compute = objective(values, batches.labels_B.numpy(), 2, "cpu")
        return list(train(learner, batches, compute, parse(freeze), values, device, watch))

    return run


@pytest.fixture
def step_of(classifier_of: Make, plain: xzoo.Backbone, trained: Any, eight: Any) -> Callable[..., dict[str, Tensor]]:
    """Return by how much each parameter moves in one step of plain gradient descent on all eight images."""

    def run(freeze: str, **recipe: Any) -> dict[str, Tensor]:
        classifier = classifier_of(plain)
        before = snapshot(classifier.network)
        trained(classifier, freeze, batches=dataclasses.replace(eight, size=8), **PLAIN_SGD, **recipe)
        return {name: parameter.detach() - before[name] for name, parameter in classifier.network.named_parameters()}

    return run


def test_eight_images_are_learnt_by_heart(classifier_of: Make, plain: xzoo.Backbone, trained: Any) -> None:
    records = trained(classifier_of(plain), epochs=40, lr=0.03)
    assert records[-1].train_accuracy == 1
    assert records[-1].train_loss < 0.1
    assert records[0].train_loss > 0.5
    assert [record.epoch for record in records] == list(range(40))


def test_a_record_holds_means_over_images_and_what_was_watched(
    classifier_of: Make, plain: xzoo.Backbone, trained: Any, eight: Any
) -> None:
    classifier = classifier_of(plain)
    classifier.learn({})
    with torch.no_grad():
        logits_BK = classifier(eight.images_BCHW)
    loss = float(torch.nn.functional.cross_entropy(logits_BK, eight.labels_B))
    accuracy = float((logits_BK.argmax(1) == eight.labels_B).float().mean())
    [record] = trained(classifier, "frozen", lr=1e-7, watch=lambda: {"val_loss": 0.25, "val_accuracy": 0.5})
    assert record.train_loss == pytest.approx(loss, abs=1e-4)
    assert record.train_accuracy == accuracy
    assert (record.val_loss, record.val_accuracy, record.test_loss, record.stages_learning) == (0.25, 0.5, None, ())
    assert record.seconds > 0


def test_a_loss_that_is_no_number_ends_the_cell(classifier_of: Make, plain: xzoo.Backbone, trained: Any, eight: Any) -> None:
    spoilt = dataclasses.replace(eight, images_BCHW=eight.images_BCHW * float("inf"))
    with pytest.raises(CellError) as caught:
        trained(classifier_of(plain), batches=spoilt)
    assert caught.value.text.startswith(
        "epoch 1, step 1: the training loss is no finite number, nor are the gradients of 0.weight"
    )
    assert "lower lr" in caught.value.remedy


def test_the_gradient_is_clipped_to_its_bound(step_of: Any) -> None:
    free, bound = (
        torch.cat([step.flatten() for step in step_of("finetune", clip=clip, lr=1.0).values()]).norm() for clip in (0, 1e-3)
    )
    assert free > 0.1
    assert float(bound) == pytest.approx(1e-3, rel=1e-3)


def test_each_stage_moves_in_proportion_to_its_rate(step_of: Any) -> None:
    full, layered = (step_of(freeze, clip=0, lr=0.1) for freeze in ("finetune", "layerwise:0.5"))
    rates = {"0": 0.25, "1": 0.25, "3": 0.5, "4": 0.5, "8": 1.0}
    for name, step in full.items():
        assert step.any()
        assert torch.allclose(layered[name], step * rates[name.split(".")[0]], rtol=1e-3, atol=1e-6), name


def test_the_rate_warms_up_and_is_recorded(classifier_of: Make, plain: xzoo.Backbone, trained: Any) -> None:
    recipe: Recipe = make({"epochs": 3, "warmup": 1.0, "lr": 0.01})
    records = trained(classifier_of(plain), epochs=3, warmup=1.0, lr=0.01)
    assert [record.learning_rate for record in records] == [recipe.rate(epoch * 3, 3) for epoch in range(3)]
    assert records[0].learning_rate < records[1].learning_rate > records[2].learning_rate


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_the_recipe_reaches_the_optimiser(name: str, classifier_of: Make, plain: xzoo.Backbone, trained: Any, eight: Any) -> None:
    whole = dataclasses.replace(eight, size=8)
    values = {"optimizer": name, "lr": 0.01, "weight_decay": 0.1, "momentum": 0.5, "clip": 0.0, "schedule": "constant"}
    ours, theirs = classifier_of(plain), classifier_of(plain)
    trained(ours, batches=whole, epochs=2, **values)
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
    parameters = list(theirs.network.parameters())
    optimizer = (
        torch.optim.SGD(parameters, lr=0.01, momentum=0.5, weight_decay=0.1)
        if name == "sgd"
        else kinds[name](parameters, lr=0.01, weight_decay=0.1)
    )
    theirs.network.train()
    for _ in range(2):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(theirs(eight.images_BCHW), eight.labels_B).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    for parameter, expected in zip(ours.network.parameters(), parameters, strict=True):
        assert torch.allclose(parameter, expected, atol=1e-6)


def test_dropout_draws_from_the_seed_and_leaves_the_callers_stream(
    classifier_of: Make, tiny: xzoo.Backbone, trained: Any, eight: Any
) -> None:
    losses = []
    for caller, seed in ((0, 5), (1, 5), (1, 6)):
        classifier, batches = classifier_of(tiny), dataclasses.replace(eight, seed=seed)
        torch.manual_seed(caller)
        expected = torch.rand(())
        torch.manual_seed(caller)
        losses.append([record.train_loss for record in trained(classifier, batches=batches, epochs=2)])
        assert torch.rand(()) == expected
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize(("epochs", "momentum"), [(1, 0.4), (13, 0.4), (20, 16 / 60), (50, 16 / 150), (60, 0.1), (900, 0.1)])
def test_running_statistics_follow_faster_where_steps_are_few(
    epochs: int, momentum: float, classifier_of: Make, plain: xzoo.Backbone
) -> None:
    classifier = classifier_of(plain)
    set_batch_norm_momentum(classifier, make({"epochs": epochs}), 3)
    assert [module.momentum for module in classifier.batch_norms()] == [pytest.approx(momentum)] * 2
    set_batch_norm_momentum(classifier, make({"epochs": epochs, "batch_norm_momentum": 0.25}), 3)
    assert [module.momentum for module in classifier.batch_norms()] == [0.25] * 2


def test_a_short_training_uses_that_momentum(classifier_of: Make, plain: xzoo.Backbone, trained: Any) -> None:
    classifier = classifier_of(plain)
    trained(classifier)
    assert [module.momentum for module in classifier.batch_norms()] == [0.4, 0.4]


class Meddling(WholeNetwork):
    """Changes a tensor during its batch number `when`, counted from 1."""

    def __init__(self, classifier: Classifier, tensor: str, when: int) -> None:
        super().__init__(classifier)
        self.tensor, self.when, self.calls = tensor, when, 0

    def outputs(self, inputs: Tensor) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        self.calls += 1
        if self.calls == self.when:
            self.classifier.network.state_dict()[self.tensor].add_(1)
        return super().outputs(inputs)


@pytest.mark.parametrize(
    ("when", "epoch", "tensor"), [(1, 1, "0.weight"), (1, 1, "4.running_var"), (4, 2, "1.num_batches_tracked")]
)
def test_a_frozen_tensor_that_moves_in_the_first_step_of_a_phase_is_named(
    when: int, epoch: int, tensor: str, classifier_of: Make, plain: xzoo.Backbone, trained: Any
) -> None:
    with pytest.raises(ProofError) as caught:
        trained(Meddling(classifier_of(plain), tensor, when), "gradual:1", epochs=3)
    assert caught.value.text == f"after the first step of epoch {epoch}: 1 frozen tensors moved ({tensor})"


def test_phases_learn_what_they_promise(classifier_of: Make, plain: xzoo.Backbone, trained: Any) -> None:
    classifier = classifier_of(plain)
    before, found = snapshot(classifier.network), []

    def watch() -> Mapping[str, float]:
        nonlocal before
        found.append({name.split(".")[0] for name in moved(before, classifier.network.state_dict())})
        before = snapshot(classifier.network)
        return {}

    records = trained(classifier, "gradual:1", watch=watch, epochs=3)
    assert found == [{"8"}, {"3", "4", "8"}, {"0", "1", "3", "4", "8"}]
    assert [record.stages_learning for record in records] == [(), ("block",), ("stem", "block")]


class ZeroGate(torch.nn.Module):
    """A residual branch whose scale starts at 0: in the first step no gradient gets into it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3, padding=1)
        self.gate = torch.nn.Parameter(torch.zeros(4, 1, 1))
        self.fc = torch.nn.Linear(4, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        maps_BCHW = self.stem(images_BCHW)
        logits_BK: Tensor = self.fc((maps_BCHW + self.gate * self.branch(maps_BCHW)).mean((2, 3)))
        return logits_BK


def test_a_branch_that_starts_behind_a_zero_learns_from_the_second_step(
    classifier_of: Make, plain: xzoo.Backbone, trained: Any
) -> None:
    stages = {"stem": "stem", "branch": ("branch", "gate")}
    gated = dataclasses.replace(plain, build=ZeroGate, head=xzoo.ReplaceLinear("fc"), stages=stages)
    classifier = classifier_of(gated)
    before = snapshot(classifier.network)
    trained(classifier, epochs=2, weight_decay=0.0)
    assert moved(before, classifier.network.state_dict()) == set(before)
    assert classifier.resting == set()
