from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.model.classifier import Classifier, build
from xzoo.model.cut import Cut, NoCut, cut
from xzoo.model.heads import seeded
from xzoo.train.device import Device
from xzoo.zoo.registry import Registry
from xzoo_torchvision import vit

CHEAP = {
    "resnet18": ("layer3", 32),
    "googlenet": ("maxpool4", 32),
    "densenet121": ("features.transition3", 32),
    "squeezenet1_1": ("features.8", 32),
    "mobilenet_v2": ("features.13", 32),
    "shufflenet_v2_x0_5": ("stage3", 32),
    "small-vit": ("encoder.layers.encoder_layer_2", 32),
}
"""Backbones with the step that their last stage begins behind, and a side in pixels."""


def small_vit() -> xzoo.Backbone:
    """Return torchvision's vision transformer with four layers of width 16."""
    from torchvision.models import VisionTransformer

    def build_vit() -> nn.Module:
        sizes = {"num_layers": 4, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32, "dropout": 0.1}
        module: nn.Module = VisionTransformer(image_size=32, patch_size=8, **sizes)
        return module

    return xzoo.Backbone(name="small-vit", build=build_vit, head=xzoo.ReplaceLinear("heads.head"), stages=vit.stages)


def classifier_of(backbone: xzoo.Backbone, side: int) -> Classifier:
    torch.manual_seed(0)
    classifier = build(backbone.build(), backbone, 2, seed=0, size=(side, side))
    classifier.network.to(memory_format=torch.channels_last)
    return classifier


def images_of(num_images: int, num_channels: int, side: int) -> Tensor:
    images_BCHW = torch.randn(num_images, num_channels, side, side, generator=torch.Generator().manual_seed(1))
    return images_BCHW.contiguous(memory_format=torch.channels_last)


def above(classifier: Classifier, count: int) -> set[str]:
    return {"(head)", *classifier.stages[len(classifier.stages) - count :]}


def halves_of(classifier: Classifier, learning: Collection[str], images_BCHW: Tensor, **options: Any) -> Cut:
    found = cut(classifier, learning, images_BCHW, **options)
    assert isinstance(found, Cut), found
    return found


def learnt(classifier: Classifier, forward: Callable[[Tensor], Tensor], images_BCHW: Tensor, rates: Mapping[str, float]) -> None:
    """Take two steps of plain gradient descent, with dropout's draws from a fixed seed."""
    for step in range(2):
        classifier.learn(rates)
        classifier.network.zero_grad(set_to_none=True)
        with seeded("test", step):
            loss = forward(images_BCHW).float().square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for parameter in classifier.network.parameters():
                if parameter.grad is not None:
                    parameter.sub_(0.1 * parameter.grad)


@pytest.mark.parametrize(
    ("name", "precision"), [*((name, "fp32") for name in CHEAP), ("googlenet", "bf16"), ("small-vit", "bf16")]
)
def test_what_trains_above_the_boundary_is_bit_for_bit_what_the_whole_network_trains(name: str, precision: str) -> None:
    place, side = CHEAP[name]
    backbone = small_vit() if name == "small-vit" else Registry.installed().get(f"{name}@random").backbone
    device = Device("cpu", precision, 1)
    in_halves, whole = classifier_of(backbone, side), classifier_of(backbone, side)
    images_BCHW = images_of(5, 3, side)
    found = halves_of(in_halves, above(in_halves, 1), images_BCHW[:2], arithmetic=device.arithmetic)
    assert found.place == place
    rates = {whole.stages[-1]: 1.0}
    with device.arithmetic():
        in_halves.network.eval()
        boundary = found.lower(images_BCHW)
        assert not boundary.requires_grad
        learnt(in_halves, lambda _: found.upper(boundary.clone()), images_BCHW, rates)
    with device.arithmetic():
        learnt(whole, whole, images_BCHW, rates)
    state = in_halves.network.state_dict()
    assert [key for key, tensor in whole.network.state_dict().items() if not torch.equal(tensor, state[key])] == []


@pytest.mark.parametrize("count", [0, 1])
def test_the_parts_of_a_cut_divide_the_network(tiny: xzoo.Backbone, count: int) -> None:
    classifier, images_BCHW = classifier_of(tiny, 16), images_of(4, 3, 16)
    found = halves_of(classifier, above(classifier, count), images_BCHW)
    called: list[str] = []
    for name, module in classifier.network.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.append(name))
    classifier.network.eval()
    boundary = found.lower(images_BCHW)
    below, split = list(called), {0: "8", 1: "2"}[count]
    assert below[-1] == split
    found.upper(boundary)
    assert "9" in called[len(below) :]
    assert not {"0", "1"} & set(called[len(below) :])


def test_the_number_of_images_is_free_and_modes_are_the_classifiers(tiny: xzoo.Backbone) -> None:
    classifier = classifier_of(tiny, 16)
    found = halves_of(classifier, above(classifier, 1), images_of(2, 3, 16))
    classifier.network.eval()
    for num_images in (1, 2, 7):
        images_BCHW = images_of(num_images, 3, 16)
        with torch.no_grad():
            assert torch.equal(found.upper(found.lower(images_BCHW)), classifier(images_BCHW))
    classifier.learn({"block": 1.0})
    boundary = found.lower(images_of(7, 3, 16))
    assert not torch.equal(found.upper(boundary), found.upper(boundary))  # dropout draws


def test_a_trial_leaves_no_trace(tiny: xzoo.Backbone) -> None:
    class Adding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Sequential(*list(tiny.build().children())[:9]), nn.Linear(8, 10)

        def forward(self, images_BCHW: Tensor) -> Tensor:
            return self.head(self.body(images_BCHW) + torch.ones(8))  # type: ignore[no-any-return]

    stages = {"stem": ("body.0", "body.1"), "block": ("body.3", "body.4")}
    classifier = classifier_of(xzoo.Backbone(name="adding", build=Adding, head=xzoo.ReplaceLinear("head"), stages=stages), 16)
    classifier.learn({"stem": 1.0, "block": 1.0})
    network = classifier.network
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes, attributes = [module.training for module in network.modules()], set(vars(network))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    halves_of(classifier, above(classifier, 1), images_of(2, 3, 16))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in tensors.items())
    assert [module.training for module in network.modules()] == modes
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert set(vars(network)) == attributes


class Odd(nn.Module):
    """Two stages and a head, joined as `kind` says."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.first, self.second, self.head = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 10)
        self.held = [self.second.weight]

    def __deepcopy__(self, memo: dict[int, Any]) -> Odd:
        copied = Odd(self.kind)
        copied.load_state_dict(self.state_dict())
        return copied

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x = self.first(images_BCHW)
        if self.kind == "draws":
            x = nn.functional.dropout(x, 0.5, training=True)
        if self.kind == "looks at values" and x.mean() > 0:
            x = -x
        if self.kind == "mixes images":
            x = x - x.mean(0)
        if self.kind == "counts in Python":
            x = x.reshape(int(x.shape[0]), 8, -1, 7)
        if self.kind == "modes" and self.training:
            x = x * 2
        y = self.second(x).mean((2, 3))
        if self.kind == "two ways":
            y = y + images_BCHW.mean((1, 2, 3))[:, None]
        if self.kind == "reads numbers":
            y = y + float(self.second.weight.sum())
        if self.kind == "works out":
            y = y + self.held[0].sum()
        return self.head(y)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("plain", ""),
        ("draws", "logits"),
        ("looks at values", "TraceError"),
        ("mixes images", "beside others"),
        ("counts in Python", "TypeError"),
        ("modes", "something else in train mode"),
        ("two ways", "no single tensor"),
        ("reads numbers", "TypeError"),
        ("works out", "the gradient of second.weight"),
    ],
)
def test_a_network_that_cannot_be_cut_is_told_why(kind: str, reason: str) -> None:
    stages = {"first": "first", "second": "second"}
    odd = xzoo.Backbone(name="odd", build=lambda: Odd(kind), head=xzoo.ReplaceLinear("head"), stages=stages)
    classifier = classifier_of(odd, 16)
    found = cut(classifier, {"(head)", "second"}, images_of(3, 3, 16))
    assert isinstance(found, NoCut) == bool(reason), found
    assert reason in getattr(found, "reason", "")


def test_where_every_stage_learns_there_is_nothing_to_cut(tiny: xzoo.Backbone) -> None:
    classifier = classifier_of(tiny, 16)
    assert cut(classifier, above(classifier, 2), images_of(2, 3, 16)) == NoCut("every stage learns")


def test_a_tensor_that_only_passes_by_is_no_second_boundary() -> None:
    class Skipping(Odd):
        def forward(self, images_BCHW: Tensor) -> Tensor:
            x = self.first(images_BCHW)
            return self.head((self.second(x.relu()) + x * 2).mean((2, 3)))  # type: ignore[no-any-return]

    stages = {"first": "first", "second": "second"}
    skipping = xzoo.Backbone(name="skip", build=lambda: Skipping(""), head=xzoo.ReplaceLinear("head"), stages=stages)
    classifier = classifier_of(skipping, 16)
    assert halves_of(classifier, {"(head)", "second"}, images_of(3, 3, 16)).place == "first"
