from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import xzoo
from xzoo.errors import PluginError
from xzoo.model.classifier import Classifier, build
from xzoo.model.ownership import AUXILIARY, HEAD, UNUSED
from xzoo.train.proof import moved, snapshot
from xzoo.zoo.registry import Registry

EVERY_KIND = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16", "squeezenet1_1", "convgap")
SIDE = 16
INPUT = xzoo.Preprocess(size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)


class Patches(nn.Module):
    """A transformer in small: bare parameters in the root, attention whose inner layer is never called, a norm behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 8, stride=8)
        self.class_token = nn.Parameter(torch.randn(1, 1, 8))
        self.place = nn.Parameter(torch.randn(1, 5, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        patches_BND = self.patch(images_BCHW).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(images_BCHW), -1, -1), patches_BND], 1) + self.place
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return F.dropout(self.head(self.norm(x)[:, 0]), 0.5, self.training)


class Branched(nn.Module):
    """Train mode returns (main, early), as torchvision's Inception networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.early, self.fc = nn.Linear(4, 10), nn.Linear(4, 10)

    def forward(self, images_BCHW: Tensor) -> Any:
        first = self.first(images_BCHW).relu()
        logits_BK = self.fc(self.second(first).relu().mean((2, 3)))
        return (logits_BK, self.early(first.mean((2, 3)))) if self.training else logits_BK


def declared(make: Callable[[], nn.Module], **changes: Any) -> xzoo.Backbone:
    fields: dict[str, Any] = {"name": "net", "head": xzoo.ReplaceLinear("head"), "preprocess": INPUT, **changes}
    return xzoo.Backbone(build=make, **fields)


VIT = declared(Patches, stages={"stem": ("patch", "class_token", "place"), "blocks": ("attention", "norm")})
EARLY = xzoo.Auxiliary(path="early", head=xzoo.ReplaceLinear("early"), output=1, weight=0.3)
BRANCHED = declared(Branched, head=xzoo.ReplaceLinear("fc"), stages={"first": "first", "second": "second"}, auxiliary=(EARLY,))


def made(backbone: xzoo.Backbone, num_outputs: int = 2, side: int = SIDE, **options: Any) -> Classifier:
    torch.manual_seed(0)
    return build(backbone.build(), backbone, num_outputs, size=(side, side), **{"seed": 0, **options})


def images(num_images: int = 4, channels: int = 3, side: int = SIDE) -> Tensor:
    return torch.randn(num_images, channels, side, side, generator=torch.Generator().manual_seed(1))


def in_train_mode(classifier: Classifier) -> set[str]:
    return {name for name, module in classifier.network.named_modules() if module.training}


@pytest.mark.parametrize("name", EVERY_KIND)
def test_head_of_features_is_bit_for_bit_what_the_network_gives(name: str) -> None:
    backbone = Registry.installed().get(f"{name}@random").backbone
    classifier = made(backbone, num_outputs=3, side=64)
    classifier.network.eval()
    images_BCHW = images(2, backbone.preprocess.num_channels, side=64)
    with torch.no_grad():
        logits_BK = classifier(images_BCHW)
        assert logits_BK.shape == (2, 3)
        assert torch.equal(classifier.logits_of(classifier.features(images_BCHW)), logits_BK)


def test_bare_parameters_belong_to_the_stage_that_names_them() -> None:
    classifier = made(VIT)
    classifier.network.eval()
    assert torch.equal(classifier.logits_of(classifier.features(images())), classifier(images()))
    classifier.learn({"blocks": 1.0})
    learning = {name for name, parameter in classifier.network.named_parameters() if parameter.requires_grad}
    assert not learning & {"class_token", "place", "patch.weight", "patch.bias"}
    assert {"attention.in_proj_weight", "attention.out_proj.weight", "norm.weight", "head.bias"} <= learning
    assert classifier.module_owner["attention.out_proj"] == "blocks"


@pytest.mark.parametrize("rates", [{}, {"block": 1.0}, {"stem": 0.5, "block": 1.0}, {"stem": 0.0, "block": 0.1}])
def test_what_a_rate_above_zero_names_learns_and_nothing_else(rates: dict[str, float], tiny: xzoo.Backbone) -> None:
    classifier = made(tiny)
    classifier.network.train()
    classifier.learn(rates)
    owners = {"0": "stem", "1": "stem", "2": "stem", "3": "block", "4": "block", "5": "block", "6": "block", "7": "block"}
    learning = {"9", *(name for name, owner in owners.items() if rates.get(owner, 0) > 0)}
    assert in_train_mode(classifier) - {"", "8"} == learning
    parameters = {name.partition(".")[0] for name, p in classifier.network.named_parameters() if p.requires_grad}
    assert parameters == learning & {"0", "1", "3", "4", "9"}
    assert classifier.num_learning(rates) == sum(p.numel() for p in classifier.network.parameters() if p.requires_grad)


def test_a_frozen_body_is_a_fixed_function_whose_buffers_rest(tiny: xzoo.Backbone) -> None:
    classifier = made(tiny)
    classifier.network.train()
    classifier.learn({})
    before = snapshot(classifier.network)
    assert torch.equal(classifier(images()), classifier(images()))
    assert moved(before, classifier.network.state_dict()) == set()


def test_dropout_follows_the_stage_before_it(tiny: xzoo.Backbone) -> None:
    classifier = made(tiny)
    for rates, is_active in (({}, False), ({"block": 1.0}, True)):
        classifier.learn(rates)
        assert classifier.network.get_submodule("6").training == is_active
        assert torch.equal(classifier(images()), classifier(images())) != is_active


def test_functional_dropout_of_the_root_follows_the_last_stage() -> None:
    classifier = made(VIT)
    for rates, is_active in (({}, False), ({"blocks": 1.0}, True)):
        classifier.learn(rates)
        assert torch.equal(classifier(images()), classifier(images())) != is_active


class Shared(nn.Module):
    """Two blocks that share one dropout, each under a name of its own."""

    def __init__(self) -> None:
        super().__init__()
        dropout = nn.Dropout(0.5)
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), dropout)
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3, stride=2), dropout)
        self.head = nn.Linear(36, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x: Tensor = self.head(self.second(self.first(images_BCHW)).flatten(1))
        return x


def test_a_module_that_two_stages_call_is_still_until_the_first_of_them_learns() -> None:
    classifier = made(declared(Shared, stages={"first": "first", "second": "second"}))
    for rates, is_active in (({}, False), ({"second": 1.0}, False), ({"first": 1.0, "second": 1.0}, True)):
        classifier.learn(rates)
        assert classifier.network.get_submodule("first.1").training == is_active


def test_dropout_inside_a_new_head_belongs_to_the_head() -> None:
    def with_dropout(old: nn.Module, num_outputs: int) -> nn.Module:
        assert isinstance(old, nn.Linear)
        return nn.Sequential(nn.Dropout(0.5), nn.Linear(old.in_features, num_outputs))

    classifier = made(declared(Shared, head=xzoo.ReplaceHead("head", make=with_dropout), stages={"all": ("first", "second")}))
    classifier.learn({})
    assert in_train_mode(classifier) == {"head", "head.0", "head.1"}
    assert not torch.equal(classifier(images()), classifier(images()))


class Tied(nn.Module):
    """Two stages that share one weight, and each its own bias."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
        self.second.weight = self.first.weight
        self.head = nn.Linear(3, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x: Tensor = self.head(self.second(self.first(images_BCHW)).mean((2, 3)))
        return x


def test_a_tied_weight_rests_until_the_first_stage_that_holds_it_learns() -> None:
    classifier = made(declared(Tied, stages={"first": "first", "second": "second"}))
    classifier.learn({"second": 1.0})
    learning = {name for name, parameter in classifier.network.named_parameters() if parameter.requires_grad}
    assert learning == {"second.bias", "head.weight", "head.bias"}
    held = [parameter for stage in classifier.stages for parameter in classifier.parameters_of(stage)]
    assert len({id(parameter) for parameter in held}) == len(held) == 3


def test_auxiliary_heads_learn_when_every_stage_does() -> None:
    classifier = made(BRANCHED)
    assert classifier.learning_owners({"second": 1.0}) == {HEAD, "second"}
    assert classifier.learning_owners({"first": 0.1, "second": 1.0}) == {HEAD, "first", "second", AUXILIARY}
    classifier.learn({"second": 1.0})
    assert classifier.outputs(images())[1] == []
    classifier.learn({"first": 0.1, "second": 1.0})
    logits_BK, [(weight, early_BK)] = classifier.outputs(images())
    assert (logits_BK.shape, weight, early_BK.shape) == ((4, 2), 0.3, (4, 2))
    first = classifier.network.get_submodule("first")(images()).relu()
    assert torch.equal(early_BK, classifier.network.get_submodule("early")(first.mean((2, 3))))


def test_auxiliary_heads_that_the_weights_left_out_stay_out_of_use() -> None:
    classifier = made(BRANCHED, left_out=("early.weight", "early.bias"))
    every = {"first": 1.0, "second": 1.0}
    assert classifier.tensor_owner["early.weight"] == UNUSED
    classifier.learn(every)
    assert classifier.outputs(images())[1] == []
    assert in_train_mode(classifier) == {"first", "second", "fc"}
    assert not any(p.requires_grad for name, p in classifier.network.named_parameters() if name.startswith("early"))


def test_outputs_that_nobody_declared_are_refused() -> None:
    classifier = made(declared(Branched, head=xzoo.ReplaceLinear("fc"), stages={"all": ("first", "second", "early")}))
    classifier.learn({"all": 1.0})
    with pytest.raises(PluginError) as caught:
        classifier(images())
    assert "returns tuple, not logits" in caught.value.text
    assert "auxiliary=" in caught.value.remedy


def test_a_head_that_the_forward_pass_never_reaches_is_named() -> None:
    class Around(Shared):
        def forward(self, images_BCHW: Tensor) -> Tensor:
            x: Tensor = self.second(self.first(images_BCHW)).mean((2, 3))
            return x

    with pytest.raises(PluginError, match="never reaches its head 'head'"):
        made(declared(Around, stages={"all": ("first", "second")})).features(images())


def test_the_given_network_and_the_callers_random_numbers_stay_as_they_were(tiny: xzoo.Backbone) -> None:
    network = tiny.build()
    before, state = snapshot(network), torch.get_rng_state()
    classifiers = [build(network, tiny, 2, seed=seed, size=(SIDE, SIDE)) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    assert moved(before, network.state_dict()) == set()
    first, again, other = (snapshot(classifier.network) for classifier in classifiers)
    assert moved(first, again) == set()
    assert moved(first, other) == {"9.weight", "9.bias"}


def test_learnt_tensors_come_back(tiny: xzoo.Backbone) -> None:
    classifier = made(tiny)
    kept, before = classifier.learnt({"block", HEAD}), snapshot(classifier.network)
    assert set(kept) == {name for name in before if name.split(".")[0] in {"3", "4", "9"}}
    with torch.no_grad():
        for parameter in classifier.network.parameters():
            parameter.add_(1)
    classifier.restore(kept)
    assert {name.split(".")[0] for name in moved(before, classifier.network.state_dict())} == {"0", "1"}


def test_restoring_leaves_the_modes_as_they_are() -> None:
    classifier = made(BRANCHED)
    classifier.learn({"second": 1.0})
    modes = in_train_mode(classifier)
    classifier.restore(classifier.learnt({HEAD}))
    assert in_train_mode(classifier) == modes != set()
