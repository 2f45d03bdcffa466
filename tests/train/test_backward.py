"""Cheaper backward passes: the forward pass bit for bit, gradients within the rounding of bfloat16, layers as they were."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

import xzoo
from xzoo.model.classifier import Classifier
from xzoo.train import backward
from xzoo.train.backward import CheaperBackward
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.recipe import Recipe
from xzoo.zoo.strategies import parse

CPU = Device("cpu", "bf16", 1)
CONVOLUTIONS: dict[str, Callable[[], nn.Conv2d]] = {
    "3x3": partial(nn.Conv2d, 192, 256, 3, padding=1, bias=False),
    "stride 2": partial(nn.Conv2d, 192, 256, 3, stride=2, padding=1, bias=False),
    "1x1": partial(nn.Conv2d, 256, 128, 1, bias=False),
    "1x1, stride 2": partial(nn.Conv2d, 256, 128, 1, stride=2, bias=False),
    "1x7": partial(nn.Conv2d, 192, 192, (1, 7), padding=(0, 3), bias=False),
    "uneven": partial(nn.Conv2d, 192, 256, (3, 2), stride=(2, 1), padding=(0, 1), bias=False),
}


def gradients(layer: nn.Module, images_BCHW: Tensor, grad_BOhw: Tensor, *, cheaper: bool) -> tuple[Tensor, ...]:
    """Return outputs, and the gradients of the images and of the weights where there are any, of a pass under autocast."""
    layer.zero_grad()
    images_BCHW = images_BCHW.clone().requires_grad_()
    device = CPU if cheaper else Device("cpu", "fp32", 1)
    with CPU.arithmetic(), CheaperBackward(nn.Sequential(layer), device)():
        outputs = layer(images_BCHW)
    outputs.backward(grad_BOhw)
    found = [images_BCHW.grad, *(p.grad for p in layer.parameters())]
    return (outputs.detach(), *(grad.clone() for grad in found if grad is not None))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(torch.bfloat16)


@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_a_convolution_gives_the_same_and_weights_gradients_no_further_from_the_truth(
    kind: str, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    layer = CONVOLUTIONS[kind]()
    images_BCHW = drawn(3, layer.in_channels, 7, 7).contiguous(memory_format=layout)
    grad_BOhw = drawn(*layer(images_BCHW.float()).shape, seed=1).contiguous(memory_format=layout)

    outputs, of_images, of_weights = gradients(layer, images_BCHW, grad_BOhw, cheaper=True)
    own_outputs, of_images_own, of_weights_own = gradients(layer, images_BCHW, grad_BOhw, cheaper=False)

    exact: Tensor = conv2d_weight(  # type: ignore[no-untyped-call]
        images_BCHW.double(), layer.weight.shape, grad_BOhw.double(), layer.stride, layer.padding
    )
    assert torch.equal(outputs, own_outputs)
    assert torch.equal(of_images, of_images_own)
    # Half a unit in the last of bfloat16's eight digits, relative, is the best that any way can reach.
    assert ((of_weights - exact).abs() <= exact.abs() * 2**-8 + 1e-3).all()
    assert (of_weights - exact).norm() <= 1.05 * (of_weights_own - exact).norm()


def test_pooling_adds_up_what_windows_send_back_nearer_to_the_truth() -> None:
    layer = nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True)
    images_BCHW, grad_BChw = drawn(2, 24, 9, 9).relu(), drawn(2, 24, 9, 9, seed=1)
    images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)

    outputs, found = gradients(layer, images_BCHW, grad_BChw, cheaper=True)
    own_outputs, own = gradients(layer, images_BCHW, grad_BChw, cheaper=False)

    wide_BCHW = images_BCHW.double().requires_grad_()
    F.max_pool2d(wide_BCHW, 3, 1, 1).backward(grad_BChw.double())  # type: ignore[no-untyped-call]
    exact = wide_BCHW.grad
    assert exact is not None
    assert torch.equal(outputs, own_outputs)
    assert torch.allclose(found.double(), exact, rtol=2**-8, atol=1e-6)
    assert (found - exact).norm() < (own - exact).norm()


class Own(nn.Conv2d):
    """A layer of somebody's own, whose forward may mean something else."""


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(256, 256, 3, padding=1, groups=256, bias=False),
        nn.Conv2d(256, 256, 3, padding=2, dilation=2, bias=False),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.Conv2d(256, 256, 3, padding=1, padding_mode="reflect", bias=False),
        nn.Conv2d(256, 256, 3, padding="same", bias=False),
        nn.Conv2d(64, 64, 3, padding=1, bias=False),
        Own(256, 256, 3, padding=1, bias=False),
        nn.MaxPool2d(3, stride=2),
        nn.MaxPool2d(3, stride=1, return_indices=True),
    ],
    ids=repr,
)
def test_what_is_not_cheaper_or_not_pytorchs_own_is_left_alone(layer: nn.Module) -> None:
    network = nn.Sequential(layer)

    with CheaperBackward(network, CPU)():
        assert type(network[0]) in {nn.Conv2d, Own, nn.MaxPool2d}


def test_many_positions_are_not_unfolded() -> None:
    layer = CONVOLUTIONS["3x3"]()
    with CPU.arithmetic(), CheaperBackward(nn.Sequential(layer), CPU)():
        few, many = (layer(drawn(1, 192, side, side)) for side in (8, 9))

    assert type(few.grad_fn).__name__ == "_ConvolutionBackward"
    assert type(many.grad_fn).__name__ == "ConvolutionBackward0"


@pytest.mark.parametrize("device", [Device("cpu", "fp32", 1), Device("cuda", "bf16", 1)], ids=["fp32", "cuda"])
def test_elsewhere_than_on_a_cpu_in_bfloat16_nothing_changes(device: Device) -> None:
    network = nn.Sequential(CONVOLUTIONS["3x3"](), nn.MaxPool2d(3, 1, 1))

    with CheaperBackward(network, device)():
        assert [type(layer) for layer in network] == [nn.Conv2d, nn.MaxPool2d]


def test_layers_are_what_they_were_after_a_step_and_after_an_error() -> None:
    network = nn.Sequential(CONVOLUTIONS["3x3"](), nn.MaxPool2d(3, 1, 1))

    during: list[type[nn.Module]] = []

    def fail() -> None:
        with CheaperBackward(network, CPU)():
            during.extend(type(layer) for layer in network)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert not {nn.Conv2d, nn.MaxPool2d} & set(during)
    assert [type(layer) for layer in network] == [nn.Conv2d, nn.MaxPool2d]
    assert list(network.state_dict()) == ["0.weight"]


def test_a_frozen_convolution_keeps_pytorchs_own_way() -> None:
    layer = CONVOLUTIONS["3x3"]().requires_grad_(False)
    with CPU.arithmetic(), CheaperBackward(nn.Sequential(layer), CPU)():
        outputs = layer(drawn(1, 192, 7, 7).requires_grad_())

    assert type(outputs.grad_fn).__name__ == "ConvolutionBackward0"


def test_a_step_of_training_goes_this_way_and_learns_the_same(
    plain: xzoo.Backbone, classifier_of: Callable[..., Classifier], eight: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = []
    for least in (1, 2**15):
        monkeypatch.setattr(backward, "_LARGE", least)
        classifier, ways = classifier_of(plain), set[str]()
        stem = classifier.network.get_submodule("0")
        stem.register_forward_hook(lambda _, __, outputs, ways=ways: ways.add(type(outputs.grad_fn).__name__))
        compute = objective(Recipe(), eight.labels_B.numpy(), 2, "cpu")
        epochs = train(WholeNetwork(classifier), eight, compute, parse("finetune"), Recipe(epochs=2), CPU, dict)
        learnt.append((ways, [epoch.train_loss for epoch in epochs]))

    assert [ways for ways, _ in learnt] == [{"_ConvolutionBackward"}, {"ConvolutionBackward0"}]
    assert learnt[0][1] == pytest.approx(learnt[1][1], rel=1e-2)
