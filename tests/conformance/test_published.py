"""Preprocessing as torchvision and timm publish it, held against declarations."""

from __future__ import annotations

from dataclasses import replace

import pytest
from torch import nn

import xzoo
from xzoo.conformance.published import differences
from xzoo.conformance.subject import Subject
from xzoo.zoo.registry import Registry


def declared(name: str, **changes: object) -> Subject:
    backbone = Registry.installed().get(name).backbone
    changed = [replace(one, preprocess=replace(one.preprocess, **changes)) for one in backbone.weights]  # type: ignore[arg-type]
    return Subject(replace(backbone, weights=changed))


def test_what_torchvision_publishes_is_what_is_declared() -> None:
    assert differences(declared("squeezenet1_1")) == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"mean": (0.5, 0.5, 0.5)}, ["mean"]),
        ({"size": 227, "resize": 227}, ["size", "resize"]),
        ({"interpolation": "bicubic"}, ["interpolation"]),
    ],
)
def test_each_difference_is_named(changes: dict[str, object], fields: list[str]) -> None:
    found = differences(declared("squeezenet1_1", **changes))
    assert found is not None
    assert [what.rpartition(" ")[2] for what, _, _ in found] == fields


def test_a_transform_inside_of_the_network_is_part_of_what_is_published() -> None:
    googlenet = Registry.installed().get("googlenet").backbone
    assert differences(Subject(googlenet)) == []
    found = differences(declared("googlenet", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)))
    assert found is not None
    assert {what.rpartition(" ")[2] for what, _, _ in found} == {"mean", "std"}


def test_there_is_nothing_to_compare_for_a_network_of_ones_own(tiny: xzoo.Backbone) -> None:
    assert differences(Subject(tiny)) is None


def build_timm() -> nn.Module:
    import timm

    network: nn.Module = timm.create_model("resnet10t", pretrained=False)
    return network


@pytest.mark.parametrize(("resize", "fields"), [(201, []), (224, ["resize"])])
def test_timms_configuration_is_that_of_the_same_file(resize: int, fields: list[str]) -> None:
    preprocess = xzoo.Preprocess(size=176, resize=resize, interpolation="bicubic")
    weights = xzoo.Weights("c3_in1k", hf="timm/resnet10t.c3_in1k", preprocess=preprocess)
    backbone = xzoo.Backbone(
        name="resnet10t", build=build_timm, head=xzoo.ReplaceLinear("fc"), stages={"all": "layer1"}, weights=[weights]
    )
    found = differences(Subject(backbone))
    assert found is not None
    assert [what.rpartition(" ")[2] for what, _, _ in found] == fields
