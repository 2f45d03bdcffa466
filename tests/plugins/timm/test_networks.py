"""The contract on small networks of many families: head, stages, frozen and fine-tuned steps."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import xzoo
from xzoo.model.body import body_of
from xzoo.model.classifier import Classifier
from xzoo.model.heads import ConvHead, LinearHead
from xzoo.model.ownership import HEAD
from xzoo_timm.rows import row_of


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def step(classifier: Classifier, images_BCHW: Tensor, rates: Mapping[str, float]) -> set[str]:
    """Take one step at these rates and return the tensors that it moved."""
    before = state(classifier.network)
    classifier.learn(rates)
    classifier.network.zero_grad()
    torch.autograd.backward(nn.functional.cross_entropy(classifier(images_BCHW), torch.tensor([0, 1])))
    with torch.no_grad():
        for parameter in classifier.network.parameters():
            if parameter.requires_grad and parameter.grad is not None:
                parameter.sub_(0.01 * parameter.grad.sign())
    moved = {name for name, tensor in classifier.network.state_dict().items() if not torch.equal(tensor, before[name])}
    classifier.network.load_state_dict(before)
    return moved


def test_the_row_is_what_is_observed_today(name: str, row: Mapping[str, Any]) -> None:
    seen, module = row_of(name)
    assert {key: seen[key] for key in ("family", "heads", "stages", "params", "least")} == {
        key: row[key] for key in ("family", "heads", "stages", "params", "least")
    }
    assert (seen["after"], seen["conv"], seen["fixed"]) == (row.get("after", ""), row.get("conv", False), row.get("fixed", False))
    assert all(parameter.is_meta for parameter in module.parameters())


def test_there_are_three_to_six_stages_and_with_the_head_they_hold_every_parameter(classifier: Classifier) -> None:
    assert 3 <= len(classifier.stages) <= 6
    assert {classifier.tensor_owner[name] for name, _ in classifier.network.named_parameters()} == {*classifier.stages, HEAD}


def test_head_of_features_is_what_the_network_gives(classifier: Classifier, images: Tensor) -> None:
    classifier.network.eval()
    with torch.no_grad():
        features, logits_BK = classifier.features(images), classifier(images)
        assert logits_BK.shape == (2, 2)
        assert torch.allclose(classifier.logits_of(features), logits_BK, atol=1e-6)
        assert torch.equal(body_of(classifier)(images), features)
    for path in classifier.backbone.head.paths:
        assert isinstance(classifier.network.get_submodule(path), (LinearHead, ConvHead))


def test_a_frozen_step_moves_the_head_alone(classifier: Classifier, images: Tensor) -> None:
    heads = {name for name, owner in classifier.tensor_owner.items() if owner == HEAD}
    assert step(classifier, images, {}) <= heads


def test_when_all_learns_every_parameter_gets_a_gradient(classifier: Classifier, images: Tensor) -> None:
    moved = step(classifier, images, dict.fromkeys(classifier.stages, 1.0))
    without = {name for name, parameter in classifier.network.named_parameters() if parameter.grad is None}
    assert without == set()
    assert {classifier.tensor_owner[name] for name in moved} == {*classifier.stages, HEAD}


def test_the_last_stage_alone_learns_without_those_before_it(classifier: Classifier, images: Tensor) -> None:
    last = classifier.stages[-1]
    moved = step(classifier, images, {last: 1.0})
    assert {classifier.tensor_owner[name] for name in moved} <= {last, HEAD}
    assert any(classifier.tensor_owner[name] == last for name in moved)


def test_preprocessing_is_timms_own(name: str, declaration: xzoo.Backbone) -> None:
    timm: Any = importlib.import_module("timm")
    for weights in declaration.weights:
        theirs = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(f"{name}.{weights.name}").to_dict())
        ours = weights.preprocess
        assert (ours.num_channels, *ours.shape) == theirs["input_size"]
        assert (ours.mean, ours.std, ours.interpolation) == (theirs["mean"], theirs["std"], theirs["interpolation"])
        assert ours.resize == max(ours.shape[0], int(ours.shape[0] / theirs["crop_pct"]))
