from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.errors import PluginError
from xzoo.model.classifier import build
from xzoo.model.ownership import HEAD, own_tensors

INPUT = xzoo.Preprocess(size=8, mean=(0.5,) * 3, std=(0.5,) * 3)
STAGES = {"one": "layer1", "ten": "layer10"}


class Net(nn.Module):
    """`layer1` and `layer10`, a buffer in each and one in the root."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.layer10 = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4))
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(16, 10)
        self.register_buffer("scale", torch.ones(()))
        self.layer10.register_buffer("bound", torch.ones(2))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x: Tensor = self.fc(self.pool(self.layer10(self.layer1(images_BCHW))).flatten(1))
        return x


def declared(stages: Any = None, **changes: Any) -> xzoo.Backbone:
    fields: dict[str, Any] = {"head": xzoo.ReplaceLinear("fc"), "preprocess": INPUT, **changes}
    return xzoo.Backbone(name="net", build=Net, stages=STAGES if stages is None else stages, **fields)


def owners(backbone: xzoo.Backbone) -> dict[str, str]:
    stages = backbone.stages
    assert not callable(stages)
    return own_tensors(Net(), backbone, stages, ())


def test_a_prefix_names_whole_parts_of_a_path() -> None:
    found = owners(declared())
    assert {owner for name, owner in found.items() if name.startswith("layer1.")} == {"one"}
    assert {owner for name, owner in found.items() if name.startswith("layer10.")} == {"ten"}
    assert found["fc.weight"] == found["fc.bias"] == HEAD


def test_buffers_go_with_the_parameters_around_them() -> None:
    found = owners(declared({"one": "layer1", "ten": ("layer10.0", "layer10.1.weight", "layer10.1.bias")}))
    assert found["layer1.1.running_mean"] == found["layer1.1.num_batches_tracked"] == "one"
    assert found["layer10.1.running_var"] == found["layer10.bound"] == "ten"
    assert found["scale"] == "one"
    assert set(found) == set(Net().state_dict())


@pytest.mark.parametrize(
    ("stages", "text"),
    [
        ({"one": "layer1"}, "net: 4 parameters are not in exactly one stage: layer10.0.weight (none)"),
        (
            {"one": ("layer1", "layer10"), "ten": "layer10.1"},
            "net: 2 parameters are not in exactly one stage: layer10.1.weight (one and ten)",
        ),
        ({**STAGES, "top": "fc"}, "net: 2 parameters are not in exactly one stage: fc.weight ((head) and top)"),
        ({**STAGES, "none": "layer2"}, "net: stage 'none' holds no parameter"),
    ],
)
def test_stages_that_do_not_cover_every_parameter_once_are_refused(stages: Any, text: str) -> None:
    with pytest.raises(PluginError) as caught:
        owners(declared(stages))
    assert caught.value.text.startswith(text)
    assert caught.value.remedy.startswith("correct")


def test_a_size_that_the_network_cannot_take_is_named_with_its_own() -> None:
    with pytest.raises(PluginError) as caught:
        build(Net(), declared(), 2, seed=0, size=(4, 3))
    assert caught.value.text.startswith("net does not take one image of 3x4x3: ")
    assert "its own is 8" in caught.value.remedy


def test_looking_at_the_order_leaves_no_trace() -> None:
    network = Net().eval()
    network.layer1.train()
    built = build(network, declared(), 2, seed=0, size=(8, 8)).network
    assert {name for name, module in built.named_modules() if module.training} == {"layer1", "layer1.0", "layer1.1", "fc"}
    assert not any(module._forward_pre_hooks for module in built.modules())
    assert all(torch.equal(tensor, built.state_dict()[name]) for name, tensor in network.state_dict().items() if "fc" not in name)


def test_a_container_belongs_to_the_last_stage_inside_it() -> None:
    assert build(Net(), declared(), 2, seed=0, size=(8, 8)).module_owner[""] == "ten"
    parts = {"a": ("layer1.0", "layer10.1"), "b": ("layer1.1", "layer10.0")}
    found = build(Net(), declared(parts), 2, seed=0, size=(8, 8)).module_owner
    assert (found["layer1"], found["layer10"], found["layer10.1"]) == ("b", "b", "a")
    assert found["pool"] == "a"
