"""What each part of a network costs and hands on."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.model.cost import gmacs
from xzoo.model.facts import Facts, describe
from xzoo.model.ownership import HEAD
from xzoo.model.parts import Parts
from xzoo.zoo.learning import EPOCHS, learning
from xzoo.zoo.registry import Registry
from xzoo.zoo.strategies import WORDS, parse


def described(module: str, name: str) -> Facts:
    return describe(Registry(()).get(next(one for one in import_module(module).xzoo_backbones() if one.name == name)))


SHAPES = {
    ("xzoo_torchvision.alexnet", "alexnet"): ["64x27x27", "192x13x13", "256x6x6", "4096", "(4096,)"],
    ("xzoo_torchvision.resnet", "resnet18"): ["64x56x56", "64x56x56", "128x28x28", "256x14x14", "512x7x7", "(512,)"],
    ("xzoo_torchvision.googlenet", "googlenet"): ["192x28x28", "480x14x14", "832x7x7", "1024x7x7", "(1024,)"],
    ("xzoo_torchvision.squeezenet", "squeezenet1_1"): ["64x55x55", "128x27x27", "256x13x13", "512x13x13", "(512, 13, 13)"],
    ("xzoo_torchvision.convnext", "convnext_tiny"): ["96x56x56", "96x56x56", "192x28x28", "384x14x14", "768x7x7", "(768,)"],
    ("xzoo_torchvision.vit", "vit_b_16"): ["768x14x14", *["197x768"] * 4, "(768,)"],
}


@pytest.mark.parametrize(("module", "name"), SHAPES)
def test_stages_hand_on_what_the_papers_say_and_their_costs_sum_to_the_whole(module: str, name: str) -> None:
    facts = described(module, name)
    assert ["x".join(map(str, one.output)) for one in facts.stages] + [str(facts.features)] == SHAPES[module, name]
    assert sum(one.gmacs for one in facts.stages) + facts.gmacs_head == pytest.approx(facts.gmacs, abs=1e-5)
    assert all(one.gmacs > 0 for one in facts.stages)


class Between(nn.Module):
    """A network whose own forward computes between its modules and pools."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 8), nn.Linear(8, 2)
        self.scale = nn.Parameter(torch.ones(4, 4))
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        maps_BCHW = self.one(images_BCHW)
        found: Tensor = self.head(self.two(self.pool(maps_BCHW).flatten(1) @ self.scale))
        return found


def test_what_is_computed_between_modules_belongs_to_the_stage_before() -> None:
    network, stages = Between(), ("one", "two")
    owners = {name: "one" if name == "scale" else name.partition(".")[0] for name, _ in network.named_parameters()}
    owners |= {name: HEAD for name in owners if name.startswith("head")}
    parts = Parts(network, stages, owners)
    assert gmacs(network, (10, 10), 3, parts.watch) * 1e9 == pytest.approx(1200 + 16 + 32 + 16)
    assert {name: round(found * 1e9) for name, found in parts.gmacs.items()} == {"one": 1200 + 16, "two": 32, HEAD: 16}
    assert parts.output == {"one": (4, 1, 1), "two": (8,), HEAD: (2,)}
    assert parts.features == (8,)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_what_learns_is_what_the_strategies_say() -> None:
    found = {one.freeze: one for one in learning({"a": 1, "b": 10, "c": 100}, 1000)}
    assert {parse(name).__class__ for name in found} == {
        parse(word.replace("N", "1").replace("D", "0.5")).__class__ for word in WORDS
    }
    assert [(one.first, one.most) for one in found.values()] == [
        (1000, 1000),
        (1100, 1100),
        (1110, 1110),
        (1000, 1111),
        (1000, 1111),
        (1111, 1111),
        (1111, 1111),
    ]
    assert found["gradual:1"].since == {"a": 4, "b": 3, "c": 2}
    assert found["layerwise:0.75"].rate["a"] == 0.75**3
    assert xzoo.Recipe().epochs == EPOCHS
