"""Stages by observation, on networks of a few layers that have what timm's have."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from xzoo_timm.observe import calls_of
from xzoo_timm.stages import stages_of

SIZE = (3, 32, 32)


def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)


class Staged(nn.Module):
    """A stem of two layers, four stages in a list, and a norm behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = conv(3, 8, 2)
        self.bn1 = nn.BatchNorm2d(8)
        self.stages = nn.Sequential(*(conv(8 * 2**n, 16 * 2**n) for n in range(4)))
        self.norm = nn.BatchNorm2d(128)
        self.head = nn.Linear(128, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        answer: Tensor = self.head(self.norm(self.stages(self.bn1(self.conv1(images_BCHW)))).mean((2, 3)))
        return answer


class Blocks(nn.Module):
    """Tokens with a bare embedding, as many blocks as wanted of one size, and a head inside a module with more in it."""

    def __init__(self, num_blocks: int = 12) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 16, 8))
        self.never_called = nn.Linear(2, 2)
        self.patch_embed = nn.Conv2d(3, 8, 8, stride=8)
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(num_blocks))
        self.classifier = nn.ModuleDict({"norm": nn.LayerNorm(8), "fc": nn.Linear(8, 10)})

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x = self.patch_embed(images_BCHW).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        answer: Tensor = self.classifier["fc"](self.classifier["norm"](x.mean(1)))
        return answer


class Shrinking(nn.Module):
    """One long list of layers, in which the picture is halved three times, and two wide layers behind it."""

    def __init__(self) -> None:
        super().__init__()
        strides = (1, 2, 1, 2, 1, 1, 2, 1)
        self.features = nn.Sequential(*(conv(3 if n == 0 else 8, 8, stride) for n, stride in enumerate(strides)))
        self.wide = nn.Sequential(nn.Linear(8, 64), nn.Linear(64, 64))
        self.fc = nn.Linear(64, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        answer: Tensor = self.fc(self.wide(self.features(images_BCHW).mean((2, 3))))
        return answer


class Interleaved(nn.Module):
    """Four layers, of which the second is called again after the third."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2, self.layer3, self.layer4 = conv(3, 8), conv(8, 8), conv(8, 8), conv(8, 8)
        self.fc = nn.Linear(8, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x = self.layer4(self.layer2(self.layer3(self.layer2(self.layer1(images_BCHW)))))
        answer: Tensor = self.fc(x.mean((2, 3)))
        return answer


class Sharing(nn.Module):
    """Three layers, the first of which calls a module that the root holds too."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = conv(8, 8)
        self.stem = conv(3, 8)
        self.layer1 = nn.Sequential(conv(8, 8), self.shared, conv(8, 8))
        self.layer2, self.layer3 = conv(8, 8), conv(8, 8)
        self.fc = nn.Linear(8, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        answer: Tensor = self.fc(self.layer3(self.layer2(self.layer1(self.stem(images_BCHW)))).mean((2, 3)))
        return answer


def paths(stages: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: list(prefixes) for name, prefixes in stages.items()}


def test_a_short_series_is_the_stages_with_what_stands_around_it() -> None:
    assert paths(stages_of(Staged(), ["head"], SIZE)) == {
        "stem": ["conv1", "bn1"],
        "stage1": ["stages.0"],
        "stage2": ["stages.1"],
        "stage3": ["stages.2"],
        "stage4": ["stages.3", "norm"],
    }


def test_equal_blocks_become_four_groups_and_bare_parameters_join_the_first_stage() -> None:
    found = paths(stages_of(Blocks(), ["classifier.fc"], SIZE))
    assert list(found) == ["stem", "blocks1", "blocks2", "blocks3", "blocks4"]
    assert found["stem"] == ["pos_embed", "never_called", "patch_embed"]
    assert found["blocks2"] == ["blocks.3", "blocks.4", "blocks.5"]
    assert found["blocks4"] == ["blocks.9", "blocks.10", "blocks.11", "classifier.norm"]


def test_late_parameters_join_the_last_stage() -> None:
    found = stages_of(Blocks(), ["classifier.fc"], SIZE, late=["pos_embed"])
    assert "pos_embed" not in found["stem"]
    assert found["blocks4"][-1] == "pos_embed"


def test_a_long_list_is_grouped_where_the_picture_shrinks_and_wide_layers_behind_it_stay_apart() -> None:
    assert paths(stages_of(Shrinking(), ["fc"], SIZE)) == {
        "stem": ["features.0"],
        "features1": ["features.1", "features.2"],
        "features2": ["features.3", "features.4", "features.5"],
        "features3": ["features.6", "features.7"],
        "wide": ["wide.0", "wide.1"],
    }


def test_parts_whose_calls_are_interleaved_merge() -> None:
    found = paths(stages_of(Interleaved(), ["fc"], SIZE))
    assert list(found.values()) == [["layer1"], ["layer2", "layer3"], ["layer4"]]


def test_a_module_that_a_stage_shares_with_the_root_is_of_that_stage() -> None:
    assert paths(stages_of(Sharing(), ["fc"], SIZE)) == {
        "stem": ["stem"],
        "layer1": ["layer1", "shared"],
        "layer2": ["layer2"],
        "layer3": ["layer3"],
    }


@pytest.mark.parametrize("network", [Staged, Blocks, Shrinking, Interleaved])
def test_every_parameter_but_the_heads_is_in_one_stage(network: type[nn.Module]) -> None:
    module = network()
    head = {"Staged": "head", "Blocks": "classifier.fc"}.get(network.__name__, "fc")
    prefixes = [prefix for stage in stages_of(module, [head], SIZE).values() for prefix in stage]
    for name, _ in module.named_parameters():
        assert sum(f"{name}.".startswith(f"{prefix}.") for prefix in (*prefixes, head)) == 1, name


def test_what_is_observed_is_the_same_without_memory_and_changes_nothing() -> None:
    real = Blocks().train()
    before = {name: tensor.clone() for name, tensor in real.state_dict().items()}
    with torch.device("meta"):
        bare = Blocks()
    assert calls_of(real, SIZE) == calls_of(bare, SIZE)
    assert stages_of(real, ["classifier.fc"], SIZE) == stages_of(bare, ["classifier.fc"], SIZE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in real.state_dict().items())
    assert all(part.training for part in real.modules())
