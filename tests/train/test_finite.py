"""What is no number, in ten places: training stops before the update, keeps the last good state, and says where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.model.classifier import Classifier
from xzoo.train.device import Device
from xzoo.train.finite import NotFiniteError, Watch, norm_of, suspects
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import Objective, objective
from xzoo.train.proof import snapshot
from xzoo.train.recipe import make
from xzoo.zoo.strategies import parse

NAN, INF = float("nan"), float("inf")
STRUCK = 4
"""The step, from 0, that is struck: the second of the second epoch."""


class Ahead(Device):
    """A CPU that is treated as a device which works ahead of the host."""

    runs_ahead = True


@dataclass(eq=False)
class Struck:
    """Batches of three, of which number STRUCK is spoilt; `seen` are states of network and optimiser before each step."""

    images_BCHW: Tensor
    labels_B: Tensor
    network: nn.Module
    spoil: Callable[[Tensor], Tensor] = lambda images: images
    strike: Callable[[nn.Module], None] = lambda network: None
    seed: int = 0
    num_steps: int = 3
    count: int = 0
    seen: list[dict[str, Tensor]] = field(default_factory=list)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield them; what strikes strikes before the step."""
        del epoch, start
        for images_BCHW, labels_B in zip(torch.split(self.images_BCHW, 3), torch.split(self.labels_B, 3), strict=True):
            if self.count == STRUCK:
                self.strike(self.network)
            self.seen.append(snapshot(self.network))
            yield (self.spoil(images_BCHW) if self.count == STRUCK else images_BCHW), labels_B
            self.count += 1


def one_pixel(value: float) -> Callable[[Tensor], Tensor]:
    def spoil(images_BCHW: Tensor) -> Tensor:
        images_BCHW = images_BCHW.clone()
        images_BCHW[1, 0, 0, 0] = value
        return images_BCHW

    return spoil


def fill(name: str, value: float) -> Callable[[nn.Module], None]:
    def strike(network: nn.Module) -> None:
        with torch.no_grad():
            network.state_dict()[name].view(-1)[0] = value

    return strike


def gradient_of(name: str) -> Callable[[nn.Module], None]:
    def strike(network: nn.Module) -> None:
        network.get_parameter(name).register_hook(lambda gradient: gradient * NAN)  # type: ignore[no-untyped-call]

    return strike


def overflow(network: nn.Module) -> None:
    network.get_submodule("5").register_forward_hook(lambda _module, _inputs, out: (out * 1e38 * 1e3).bfloat16().float())


PLACES: dict[str, dict[str, Any]] = {
    "an image": {"spoil": one_pixel(NAN)},
    "an infinite image": {"spoil": one_pixel(INF)},
    "a weight of the body": {"strike": fill("0.weight", NAN)},
    "a weight of the head": {"strike": fill("8.weight", INF)},
    "a batch norm's weight": {"strike": fill("4.weight", NAN)},
    "a gradient of the body": {"strike": gradient_of("3.weight")},
    "a gradient of the head": {"strike": gradient_of("8.bias")},
    "a gradient of a batch norm": {"strike": gradient_of("1.weight")},
    "activations that overflow": {"strike": overflow},
    "weights that a learning rate made too large": {"strike": fill("8.weight", 3e38)},
}


@pytest.fixture(params=[Device("cpu", "fp32", 1), Ahead("cpu", "fp32", 1)], ids=["at once", "masked"])
def device(request: pytest.FixtureRequest) -> Device:
    found: Device = request.param
    return found


@pytest.fixture
def struck(
    classifier_of: Callable[..., Classifier], plain: xzoo.Backbone, eight: Any, device: Device
) -> Callable[..., tuple[NotFiniteError, Struck, Classifier]]:
    """Train until a step is struck; return the error, the batches and the classifier."""

    def run(place: dict[str, Any], compute: Objective | None = None, **recipe: Any) -> tuple[NotFiniteError, Struck, Classifier]:
        classifier, values = classifier_of(plain), make({"epochs": 3, "batch_size": 3, **recipe})
        batches = Struck(eight.images_BCHW, eight.labels_B, classifier.network, **place)
        compute = compute or objective(values, eight.labels_B.numpy(), 2, "cpu")
        with pytest.raises(NotFiniteError) as caught:
            list(train(WholeNetwork(classifier), batches, compute, parse("finetune"), values, device, dict))
        return caught.value, batches, classifier

    return run


@pytest.mark.parametrize("clip", [1.0, 0.0])
@pytest.mark.parametrize("place", PLACES)
def test_training_stops_before_the_update_and_keeps_the_last_good_state(place: str, clip: float, struck: Any) -> None:
    error, batches, classifier = struck(PLACES[place], clip=clip)
    assert error.text.startswith("epoch 2, step 2: ")
    assert error.text.endswith("; training stopped before that update")
    assert (error.epoch, error.step) == (1, 1)
    kept = snapshot(classifier.network)
    assert {name for name, before in batches.seen[STRUCK].items() if not same(before, kept[name])} == set()


def same(one: Tensor, other: Tensor) -> bool:
    return bool(torch.equal(torch.nan_to_num(one), torch.nan_to_num(other)))


def test_the_parameters_without_gradients_are_named_where_the_host_sees_them(struck: Any, device: Device) -> None:
    error, *_ = struck(PLACES["a gradient of the head"])
    named = "" if device.runs_ahead else ", nor are the gradients of 8.bias"
    assert error.told == f"the gradients are not finite{named}"


def test_a_loss_that_is_no_number_is_told_apart_from_its_gradients(struck: Any) -> None:
    error, *_ = struck(PLACES["an image"])
    assert error.told.startswith("the training loss is no finite number")
    assert "lower lr" in error.remedy


def test_a_weight_of_the_loss_that_is_none_stops_the_first_step(
    classifier_of: Callable[..., Classifier], plain: xzoo.Backbone, eight: Any, device: Device
) -> None:
    values, classifier = make({"epochs": 1, "batch_size": 3}), classifier_of(plain)
    before = snapshot(classifier.network)
    compute = Objective(lambda logits_BK, labels_B: nn.functional.cross_entropy(logits_BK, labels_B, torch.tensor([NAN, 1.0])))
    with pytest.raises(NotFiniteError, match="epoch 1, step 1"):
        list(train(WholeNetwork(classifier), eight, compute, parse("finetune"), values, device, dict))
    assert all(torch.equal(tensor, before[name]) for name, tensor in classifier.network.named_parameters())


def test_the_first_step_that_is_none_is_the_one_that_is_told() -> None:
    watch, optimizer = Watch(Ahead("cpu", "fp32", 1)), torch.optim.AdamW([nn.Parameter(torch.ones(1))], fused=True)
    watch.begin(optimizer, 5)
    for loss, norm in ((1.0, 1.0), (1.0, INF), (NAN, 1.0)):
        assert watch.look(torch.tensor(loss), torch.tensor(norm)) == ""
        watch.advance()
    with pytest.raises(NotFiniteError, match="epoch 3, step 7: the gradients are not finite"):
        watch.demand(float(watch.code), 2)
    watch.begin(optimizer, 0)
    watch.demand(float(watch.code), 3)


def test_the_norm_is_that_of_all_gradients_together() -> None:
    one, other, none = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    one.grad, other.grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert float(norm_of([one, other, none])) == 5.0


def test_images_that_alone_make_no_number_are_suspected() -> None:
    inputs = torch.tensor([[1.0], [NAN], [2.0], [0.0]])
    assert suspects(lambda rows: 1 / rows, inputs).tolist() == [False, True, False, True]
