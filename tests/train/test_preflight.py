from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.errors import PluginError, PreflightError
from xzoo.model.classifier import Classifier
from xzoo.train.device import Device
from xzoo.train.learner import HeadOnFeatures, WholeNetwork
from xzoo.train.objective import objective
from xzoo.train.preflight import preflight
from xzoo.train.proof import moved, snapshot
from xzoo.train.recipe import Recipe
from xzoo.train.standardise import IDENTITY

Make = Callable[..., Classifier]
EVERY = {"stem": 1.0, "block": 1.0}


@pytest.fixture
def look(eight: Any, device: Device) -> Callable[..., None]:
    """Take a look at two images; what it says is raised."""

    def run(classifier: Classifier, rates: Mapping[str, float], labels: tuple[int, int] = (0, 1), images: Any = None) -> None:
        images_BCHW = eight.images_BCHW[:2] if images is None else images
        compute = objective(Recipe(), eight.labels_B.numpy(), 2, "cpu")
        preflight(WholeNetwork(classifier), images_BCHW, torch.tensor(labels), compute, rates, device)

    return run


class Wrapped(nn.Module):
    """The plain network with one thing wrong, chosen by `fault`."""

    def __init__(self, network: nn.Module, fault: str) -> None:
        super().__init__()
        self.net, self.fault = network, fault

    def forward(self, images_BCHW: Tensor) -> Any:
        if self.fault == "no gradient":
            with torch.no_grad():
                return self.net(images_BCHW)
        if self.fault == "tuple" and self.training:
            return self.net(images_BCHW), images_BCHW
        if self.fault == "image":
            return self.net(images_BCHW)[:, :, None, None]
        if self.fault == "cut":
            return self.net[3:](self.net[:3](images_BCHW).detach())  # type: ignore[index]
        return self.net(images_BCHW)


@pytest.fixture
def faulty(plain: xzoo.Backbone) -> Callable[..., xzoo.Backbone]:
    """Declare the plain network with a fault in it."""

    def declare(fault: str) -> xzoo.Backbone:
        return dataclasses.replace(
            plain,
            build=lambda: Wrapped(plain.build(), fault),
            head=xzoo.ReplaceLinear("net.8"),
            stages={"stem": ("net.0", "net.1"), "block": ("net.3", "net.4")},
        )

    return declare


@pytest.mark.parametrize("rates", [{}, {"block": 0.5}, EVERY])
def test_a_sound_network_passes_and_is_left_as_it_was(
    rates: dict[str, float], classifier_of: Make, plain: xzoo.Backbone, look: Any
) -> None:
    classifier = classifier_of(plain)
    before, state = snapshot(classifier.network), torch.get_rng_state()
    look(classifier, rates)
    assert moved(before, classifier.network.state_dict()) == set()
    assert all(parameter.grad is None for parameter in classifier.network.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_in_which_nothing_learns_is_told_in_torchs_own_words(
    classifier_of: Make, faulty: Any, look: Any, monkeypatch: pytest.MonkeyPatch, plain: xzoo.Backbone
) -> None:
    in_forward = classifier_of(faulty("no gradient"))
    switched_off = classifier_of(plain)
    monkeypatch.setattr(Classifier, "learn", lambda self, rates: self.network.requires_grad_(requires_grad=False))
    for classifier in (in_forward, switched_off):
        with pytest.raises(PreflightError) as caught:
            look(classifier, EVERY)
        assert "nothing learns: element 0 of tensors does not require grad" in caught.value.text
        assert "its parameters need requires_grad=True" in caught.value.remedy


def test_a_frozen_head_is_found(classifier_of: Make, plain: xzoo.Backbone, look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_but_the_head(self: Classifier, rates: Mapping[str, float]) -> None:
        self.network.requires_grad_(requires_grad=True)
        self.head.requires_grad_(requires_grad=False)

    monkeypatch.setattr(Classifier, "learn", all_but_the_head)
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(plain), EVERY)
    assert caught.value.text == "plain: the head gets no gradient"
    assert caught.value.remedy == "check that '8' is on the way to the loss and is not frozen"


def test_a_head_without_parameters_is_found(classifier_of: Make, plain: xzoo.Backbone, look: Any) -> None:
    def fixed(old: nn.Module, num_outputs: int) -> nn.Module:
        return nn.AdaptiveAvgPool1d(num_outputs)

    with pytest.raises(PreflightError, match="the head gets no gradient"):
        look(classifier_of(dataclasses.replace(plain, head=xzoo.ReplaceHead("8", make=fixed))), EVERY)


def test_a_stage_that_no_gradient_reaches_is_named(classifier_of: Make, faulty: Any, look: Any) -> None:
    look(classifier_of(faulty("cut")), {"block": 1.0})
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(faulty("cut")), EVERY)
    assert caught.value.text == "plain: stage 'stem' should learn and gets no gradient"
    assert "prefixes" in caught.value.remedy


def test_an_undeclared_tuple_on_its_way_to_the_loss_is_found(classifier_of: Make, faulty: Any, look: Any) -> None:
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(faulty("tuple")), EVERY)
    assert caught.value.text == "plain returns tuple, not logits"
    assert caught.value.remedy.startswith("declare its auxiliary heads (auxiliary=...)")


def test_logits_that_are_still_an_image_are_found(classifier_of: Make, faulty: Any, look: Any) -> None:
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(faulty("image")), EVERY)
    assert caught.value.text == "plain gives 2x2x1x1 in train mode, not plain logits (B,K)"
    assert "after=..." in caught.value.remedy


@pytest.mark.parametrize("labels", [(0, 2), (-1, 1)])
def test_a_label_beyond_the_head_is_found(labels: tuple[int, int], classifier_of: Make, plain: xzoo.Backbone, look: Any) -> None:
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(plain), EVERY, labels)
    assert f"labels run from {min(labels)} to {max(labels)}, and the head knows 2 classes (0 to 1)" in caught.value.text
    assert caught.value.remedy == "build the classifier for as many classes as the data has"


def test_a_path_that_names_another_layer_than_the_last_is_found(classifier_of: Make, plain: xzoo.Backbone, look: Any) -> None:
    class Beside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.gate, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 1), nn.Linear(4, 10)

        def forward(self, images_BCHW: Tensor) -> Tensor:
            x_BD = self.body(images_BCHW).mean((2, 3))
            logits_BK: Tensor = self.last(x_BD) * self.gate(x_BD).mean(1, keepdim=True)
            return logits_BK

    wrong = dataclasses.replace(plain, build=Beside, head=xzoo.ReplaceLinear("gate"), stages={"stem": "body", "block": "last"})
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(wrong), EVERY)
    assert caught.value.text == "plain gives (2, 10) logits where (2, 2) are expected"
    assert "declare the head's path" in caught.value.remedy


def test_a_layer_in_the_middle_is_no_head(classifier_of: Make, plain: xzoo.Backbone) -> None:
    middle = dataclasses.replace(plain, head=xzoo.ReplaceConv("3"), stages={"stem": ("0", "1"), "block": ("4", "8")})
    with pytest.raises(PluginError) as caught:
        classifier_of(middle)
    assert "plain does not take one image of 3x8x8" in caught.value.text
    assert "correct the declaration" in caught.value.remedy


def test_frozen_batch_norm_left_in_train_mode_is_found(
    classifier_of: Make, plain: xzoo.Backbone, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parameters_alone(self: Classifier, rates: Mapping[str, float]) -> None:
        self.network.train()
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(self.tensor_owner[name] in self.learning_owners(rates))

    monkeypatch.setattr(Classifier, "learn", parameters_alone)
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(plain), {"block": 1.0})
    assert caught.value.text == "plain: 1 frozen modules with running statistics are left in train mode (1)"
    assert caught.value.remedy.startswith("put frozen modules in eval mode; requires_grad=False alone")
    look(classifier_of(plain), EVERY)


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 3)])
def test_images_that_the_network_cannot_take_are_told(
    channels: int, side: int, classifier_of: Make, plain: xzoo.Backbone, look: Any
) -> None:
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(plain), EVERY, images=torch.zeros(2, channels, side, side))
    assert caught.value.text.startswith(f"plain cannot take a batch of 2x{channels}x{side}x{side}: ")
    assert "choose another size" in caught.value.remedy


def test_a_first_loss_that_is_no_number_is_told(classifier_of: Make, plain: xzoo.Backbone, look: Any, eight: Any) -> None:
    with pytest.raises(PreflightError) as caught:
        look(classifier_of(plain), EVERY, images=eight.images_BCHW[:2] * float("nan"))
    assert caught.value.text == "plain: the loss of the first batch is nan"
    assert "precision=fp32" in caught.value.remedy


def test_a_head_on_stored_features_is_looked_at_too(
    classifier_of: Make, plain: xzoo.Backbone, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = objective(Recipe(), torch.tensor([0, 1]).numpy(), 2, "cpu")
    learner = HeadOnFeatures(classifier_of(plain), IDENTITY)
    preflight(learner, torch.randn(2, 8), torch.tensor([0, 1]), compute, {}, device)
    monkeypatch.setattr(Classifier, "learn", lambda self, rates: self.network.requires_grad_(requires_grad=False))
    with pytest.raises(PreflightError, match="element 0 of tensors does not require grad"):
        preflight(learner, torch.randn(2, 8), torch.tensor([0, 1]), compute, {}, device)
