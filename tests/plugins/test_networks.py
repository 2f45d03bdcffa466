from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import xzoo
from xzoo.model import cost

REPORTED = {
    "alexnet": 61_100_840,
    "googlenet": 6_624_904,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "densenet121": 7_978_856,
    "vgg16": 138_357_544,
    "mlp": 2_099_329,
    "cnn": 1_067_457,
}


def prefixes_of(backbone: xzoo.Backbone, network: nn.Module) -> list[str]:
    stages = backbone.stages(network) if callable(backbone.stages) else backbone.stages
    named = [prefix for prefixes in stages.values() for prefix in ([prefixes] if isinstance(prefixes, str) else prefixes)]
    return [*named, backbone.head.path, *(auxiliary.path for auxiliary in backbone.auxiliary)]


def test_stages_head_and_auxiliaries_cover_every_parameter_once(backbone: xzoo.Backbone, network: nn.Module) -> None:
    prefixes = prefixes_of(backbone, network)
    claims = {
        name: [prefix for prefix in prefixes if name == prefix or name.startswith(f"{prefix}.")]
        for name, _ in network.named_parameters()
    }
    assert {name: claim for name, claim in claims.items() if len(claim) != 1} == {}
    assert {prefix for claim in claims.values() for prefix in claim} == set(prefixes)


def test_stages_stand_in_the_order_of_the_forward_pass(backbone: xzoo.Backbone, network: nn.Module) -> None:
    # Torchvision registers parameters in the order of use; a transformer's bare ones come first, where its stem is.
    names = [name for name, _ in network.named_parameters()]
    stages = backbone.stages(network) if callable(backbone.stages) else backbone.stages
    first = []
    for prefixes in stages.values():
        starts = tuple(f"{prefix}." for prefix in ([prefixes] if isinstance(prefixes, str) else prefixes))
        first.append(min(place for place, name in enumerate(names) if f"{name}.".startswith(starts)))
    assert first == sorted(first)


def test_there_are_three_to_six_stages(backbone: xzoo.Backbone, network: nn.Module) -> None:
    stages = backbone.stages(network) if callable(backbone.stages) else backbone.stages
    assert 3 <= len(stages) <= 6


def test_the_head_is_one_layer_with_the_published_outputs(backbone: xzoo.Backbone, network: nn.Module) -> None:
    head = network.get_submodule(backbone.head.path)
    num_outputs = 1000 if backbone.weights else 1
    if isinstance(backbone.head, xzoo.ReplaceConv):
        assert isinstance(head, nn.Conv2d)
        assert head.out_channels == num_outputs
    else:
        assert isinstance(head, nn.Linear)
        assert head.out_features == num_outputs
    for auxiliary in backbone.auxiliary:
        assert auxiliary.head.path.startswith(f"{auxiliary.path}.")
        assert isinstance(network.get_submodule(auxiliary.head.path), nn.Linear)


def test_what_stands_after_the_head_is_what_the_network_does_there(zoo: Mapping[str, xzoo.Backbone]) -> None:
    backbone = zoo["squeezenet1_1"]
    network = backbone.build().eval()
    images_BCHW = torch.randn(2, 3, 64, 64)
    caught: list[torch.Tensor] = []
    network.get_submodule(backbone.head.path).register_forward_hook(
        lambda _module, _inputs, output: caught.append(output.clone())
    )
    logits_BK = network(images_BCHW)
    for step in backbone.head.after:
        caught.append(caught[-1].flatten(1) if step == "flatten" else network.get_submodule(str(step))(caught[-1]))
    assert torch.equal(caught[-1], logits_BK)


def test_the_deployed_parameters_are_the_declared_ones(backbone: xzoo.Backbone, network: nn.Module) -> None:
    assert cost.count_params(network, [auxiliary.path for auxiliary in backbone.auxiliary]) == backbone.params


@pytest.mark.parametrize(("name", "num_params"), REPORTED.items())
def test_the_reports_networks_have_the_published_number_of_parameters(
    name: str, num_params: int, zoo: Mapping[str, xzoo.Backbone]
) -> None:
    assert zoo[name].params == num_params


@pytest.mark.parametrize(("name", "num_params"), [("googlenet", 13_004_888), ("inception_v3", 27_161_264)])
def test_auxiliary_heads_count_while_they_learn(name: str, num_params: int, zoo: Mapping[str, xzoo.Backbone]) -> None:
    assert cost.count_params(zoo[name].build()) == num_params


def test_multiply_accumulates_are_the_published_ones(backbone: xzoo.Backbone, network: nn.Module) -> None:
    preprocess = backbone.weights[0].preprocess if backbone.weights else backbone.preprocess
    measured = cost.gmacs(network, preprocess.shape, preprocess.num_channels)
    # Published with three decimals, so that the smallest cannot be told to 1%.
    assert measured == pytest.approx(backbone.gmacs, rel=0.005, abs=0.0006)


def test_state_dict_keys_are_torchvisions_own(
    backbone: xzoo.Backbone, network: nn.Module, without_memory: TorchFunctionMode
) -> None:
    if not backbone.weights:
        pytest.skip("a network of our own")
    from torchvision import models

    extra = {"init_weights": True} if backbone.auxiliary else {}
    extra |= {"aux_logits": True} if backbone.name == "googlenet" else {}
    with without_memory:
        theirs = models.get_model(backbone.name.partition("-")[0], weights=None, **extra)
    assert list(network.state_dict()) == list(theirs.state_dict())
