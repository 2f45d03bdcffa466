"""Memory that runs out, forced: every place goes on with the same effective batch, and what parts cannot keep is said."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xzoo
from starving import SAID, Starved, starved
from xzoo.model.classifier import Classifier
from xzoo.runs.conditions import Shortage
from xzoo.train import shortage
from xzoo.train.accumulation import Gradients
from xzoo.train.device import Device
from xzoo.train.eager import Step
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.proof import snapshot
from xzoo.train.recipe import make
from xzoo.train.shortage import MemoryShortageError, Parted, Ration, is_out_of_memory, parts
from xzoo.zoo.strategies import parse

Make = Callable[..., Classifier]


def build_without_norms() -> nn.Module:
    """Return two convolutions, dropout of nothing, and ten outputs."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )


@pytest.fixture(scope="session")
def bare(plain: xzoo.Backbone) -> xzoo.Backbone:
    """A network without batch norm: stages `stem` and `block`, head 6."""
    return xzoo.Backbone(
        name="bare",
        build=build_without_norms,
        head=xzoo.ReplaceLinear("6"),
        stages={"stem": "0", "block": "2"},
        preprocess=plain.preprocess,
    )


@pytest.fixture
def trained(eight: Any, device: Device) -> Callable[..., Any]:
    """Train on eight images, and return the records."""

    def run(classifier: Classifier, freeze: str = "finetune", size: int = 3, **recipe: Any) -> Any:
        values = make({"epochs": 2, "batch_size": size, **recipe})
        batches = type(eight)(eight.images_BCHW, eight.labels_B, size)
        compute = objective(values, eight.labels_B.numpy(), 2, "cpu")
        return list(train(WholeNetwork(classifier), batches, compute, parse(freeze), values, device, dict))

    return run


TRAINING = [
    # where memory runs out, most images at once, places that have enough first, images in a batch, strategy, recipe
    ("forward 0", 4, 0, 8, "finetune", {}),
    ("forward 0", 1, 0, 8, "finetune", {}),
    ("forward 6", 2, 0, 3, "finetune", {"loss": "bce", "label_smoothing": 0.1}),
    ("forward 2", 2, 3, 3, "finetune", {}),
    ("forward 2", 1, 4, 3, "last:1", {"optimizer": "sgd"}),
    ("forward 6", 2, 1, 4, "gradual:1", {"clip": 0.0}),
    ("backward 2", 4, 0, 8, "finetune", {"class_weights": "balanced"}),
    ("backward 6", 3, 0, 8, "layerwise:0.5", {"optimizer": "adam"}),
    ("backward 2", 1, 3, 3, "finetune", {"optimizer": "sgd", "clip": 0.1}),
    ("backward 0", 2, 2, 5, "finetune", {"class_weights": "balanced", "loss": "bce"}),
]


@pytest.mark.parametrize("point", TRAINING)
def test_a_step_that_runs_out_is_made_again_in_parts_with_the_gradients_of_the_whole(
    point: tuple[Any, ...], bare: xzoo.Backbone, classifier_of: Make, trained: Any
) -> None:
    where, most, first, size, freeze, recipe = point
    outputs = 1 if recipe.get("loss") == "bce" else 2
    whole, in_parts = classifier_of(bare, outputs), classifier_of(bare, outputs)
    records = trained(whole, freeze, size, **recipe)
    with starved(in_parts.network, where, most, first) as one:
        again = trained(in_parts, freeze, size, **recipe)
    told = [each for record in again for each in record.memory]
    assert told
    assert not any(each.statistics for each in told)
    assert max(one.granted) <= told[-1].at_once <= most
    for record, other in zip(records, again, strict=True):
        assert other.train_loss == pytest.approx(record.train_loss, rel=1e-5)
        assert other.train_accuracy == record.train_accuracy
    for name, tensor in whole.network.state_dict().items():
        assert torch.allclose(tensor, in_parts.network.state_dict()[name], atol=3e-5), name


@pytest.mark.parametrize("balance", ["none", "balanced"])
@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 7])
def test_the_gradients_of_ragged_parts_are_those_of_the_batch(
    at_once: int, balance: str, bare: xzoo.Backbone, classifier_of: Make, eight: Any, device: Device
) -> None:
    classifier = classifier_of(bare)
    classifier.learn(dict.fromkeys(classifier.stages, 1.0))
    values = make({"class_weights": balance, "label_smoothing": 0.1, "clip": 0.0})
    labels_B = torch.tensor([0, 0, 0, 1, 0, 1, 0, 0])
    gradients = Gradients(WholeNetwork(classifier), objective(values, labels_B.numpy(), 2, "cpu"), values, device)
    optimizer = torch.optim.SGD(classifier.network.parameters())
    found = []
    for cut in ([slice(0, 8)], parts(8, at_once)):
        made = gradients(optimizer, eight.images_BCHW, labels_B, cut, to_host=False)
        found.append((made, [p.grad.clone() for p in classifier.network.parameters() if p.grad is not None]))
    (one, whole), (other, summed) = found
    assert torch.allclose(one.loss, other.loss, rtol=1e-6)
    assert torch.allclose(one.norm, other.norm, rtol=1e-5)
    for a, b in zip(whole, summed, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-7)


def test_batch_norms_at_rest_see_no_difference(plain: xzoo.Backbone, classifier_of: Make, trained: Any) -> None:
    whole, in_parts = classifier_of(plain), classifier_of(plain)
    trained(whole, "last:1", 8)
    with starved(in_parts.network, "forward 8", 4):
        told = [each for record in trained(in_parts, "frozen", 8) for each in record.memory]
    assert [(each.at_once, each.of, each.epoch, each.step, each.statistics) for each in told] == [(4, 8, 1, 1, False)]


def test_batch_norms_that_learn_see_the_parts_and_that_is_said(plain: xzoo.Backbone, classifier_of: Make, trained: Any) -> None:
    classifier = classifier_of(plain)
    with starved(classifier.network, "forward 3", 4):
        told = [each for record in trained(classifier, "finetune", 8) for each in record.memory]
    assert told == [Shortage(what="training", at_once=4, of=8, epoch=1, step=1, statistics=True)]
    assert {int(norm.get_buffer("num_batches_tracked")) for norm in classifier.batch_norms()} == {2}


def test_running_statistics_move_by_one_step_to_the_mean_of_the_parts(
    plain: xzoo.Backbone, classifier_of: Make, eight: Any, device: Device
) -> None:
    classifier = classifier_of(plain)
    classifier.learn(dict.fromkeys(classifier.stages, 1.0))
    norm, values = classifier.network.get_submodule("1"), make({})
    assert isinstance(norm, nn.BatchNorm2d)
    norm.momentum = 0.3
    seen: list[Tensor] = []
    norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach().mean((0, 2, 3))))
    gradients = Gradients(WholeNetwork(classifier), objective(values, eight.labels_B.numpy(), 2, "cpu"), values, device)
    cut = parts(8, 3)
    gradients(torch.optim.SGD(classifier.network.parameters()), eight.images_BCHW, eight.labels_B, cut, to_host=False)
    mean = sum(each * (part.stop - part.start) / 8 for each, part in zip(seen, cut, strict=True))
    assert norm.running_mean is not None
    assert torch.allclose(norm.running_mean, 0.3 * mean, atol=1e-6)
    assert norm.momentum == 0.3
    assert int(norm.get_buffer("num_batches_tracked")) == 1


def test_what_the_backward_pass_needs_lies_on_the_host_before_a_norm_sees_parts(
    plain: xzoo.Backbone, classifier_of: Make, eight: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(Device):
        runs_ahead = True

    @contextmanager
    def on_host(pin_memory: bool) -> Iterator[None]:
        asked.append(pin_memory)
        with torch.autograd.graph.saved_tensors_hooks(lambda one: one.clone(), lambda one: one):
            yield

    asked: list[bool] = []
    monkeypatch.setattr(torch.autograd.graph, "save_on_cpu", on_host)
    compute, found = objective(make({}), eight.labels_B.numpy(), 2, "cpu"), []
    for is_short in (False, True):
        classifier = classifier_of(plain)
        classifier.learn(dict.fromkeys(classifier.stages, 1.0))
        step = Step(WholeNetwork(classifier), compute, make({}), Ahead("cpu", "fp32", 1))
        step.begin(torch.optim.AdamW(classifier.network.parameters(), fused=True), is_new_phase=True)
        one = Starved(8)
        with classifier.network.get_submodule("3").register_forward_pre_hook(one.forward):
            monkeypatch.setattr(one, "ask", lambda count, one=one, is_short=is_short: once(one, count, is_short=is_short))
            step(eight.images_BCHW, eight.labels_B)
        found.append((snapshot(classifier.network), step.memory, step.told()))
    (whole, none, sums), (again, told, same_sums) = found
    assert (none, asked, sums) == ((), [True], same_sums)
    assert [(each.way, each.statistics) for each in told] == [("host", False)]
    assert all(torch.equal(tensor, again[name]) for name, tensor in whole.items())


def once(one: Starved, count: int, *, is_short: bool) -> None:
    """Refuse the first time, whatever is asked."""
    one.sizes.append(count)
    if is_short and len(one.sizes) == 1:
        raise torch.OutOfMemoryError(SAID)


def test_dropout_draws_the_same_wherever_the_try_failed(tiny: xzoo.Backbone, classifier_of: Make, trained: Any) -> None:
    found = []
    for where in ("forward 0", "forward 9", "backward 3"):
        classifier = classifier_of(tiny)
        with starved(classifier.network, where, 2):
            trained(classifier, size=4)
        found.append(snapshot(classifier.network))
    assert all(torch.equal(tensor, other[name]) for other in found[1:] for name, tensor in found[0].items())


def test_a_failed_try_holds_no_memory(bare: xzoo.Backbone, classifier_of: Make, trained: Any) -> None:
    classifier = classifier_of(bare)
    held: list[weakref.ref[Tensor]] = []
    alive: list[int] = []

    def watch(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        gc.disable()
        alive.append(sum(one() is not None for one in held))
        held.append(weakref.ref(inputs[0]))
        if len(inputs[0]) > 4:
            raise torch.OutOfMemoryError(SAID)

    with classifier.network.get_submodule("6").register_forward_pre_hook(watch):
        trained(classifier, size=8, epochs=1)
    gc.enable()
    assert alive[1] == 0


def test_what_fits_in_no_part_ends_the_cell_with_what_to_do(bare: xzoo.Backbone, classifier_of: Make, trained: Any) -> None:
    classifier = classifier_of(bare)
    with starved(classifier.network, "forward 0", 0), pytest.raises(MemoryShortageError) as caught:
        trained(classifier, size=8)
    assert caught.value.text == f"memory ran out in training, also with 1 image at once: {SAID}"
    assert "--set size=" in caught.value.remedy
    assert caught.value.exit_code == 4


def test_a_resumed_training_takes_the_parts_up(bare: xzoo.Backbone, classifier_of: Make, eight: Any, device: Device) -> None:
    classifier = classifier_of(bare)
    classifier.learn(dict.fromkeys(classifier.stages, 1.0))
    step = Step(WholeNetwork(classifier), objective(make({}), eight.labels_B.numpy(), 2, "cpu"), make({"batch_size": 8}), device)
    step.resume([Shortage(what="training", at_once=2, of=8, epoch=1, step=1)])
    step.begin(torch.optim.AdamW(classifier.network.parameters(), fused=True), is_new_phase=True)
    with starved(classifier.network, "forward 0", 2) as one:
        step(eight.images_BCHW, eight.labels_B)
    assert one.sizes == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError(SAID), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_memory_that_ran_out_is_known_by_its_error(error: Exception, is_one: bool) -> None:
    assert is_out_of_memory(error) is is_one


def test_a_look_at_images_goes_on_in_parts_and_keeps_their_size() -> None:
    one = Starved(3)

    def double(rows: Tensor) -> Tensor:
        one.ask(len(rows))
        return 2 * rows

    look, rows = Parted(double, "the feature pass"), torch.arange(20.0).view(10, 2)
    assert torch.equal(look(rows), 2 * rows)
    assert one.sizes == [10, 5, 3, 3, 3, 1]
    assert torch.equal(look(rows[:3]), 2 * rows[:3])
    assert one.sizes[6:] == [3]
    assert look.detail == "memory ran out in the feature pass: 3 images at once"


def test_parts_are_halves_of_the_recipes_batch_whatever_batch_failed() -> None:
    ration = Ration(32, "training")
    ration.shrink(20, SAID)
    assert [ration.at_once, ration.cut(32)] == [16, [slice(0, 16), slice(16, 32)]]
    ration.shrink(3, SAID)
    assert ration.at_once == 2
    assert shortage.parts(5, 2, least=2) == [slice(0, 2), slice(2, 5)]
