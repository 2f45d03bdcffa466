"""Files as timm publishes them, made here: what timm's own loading makes of them is what ours does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from xzoo.errors import WeightsError
from xzoo.model import weights
from xzoo.zoo.registry import Registry

Tensors = dict[str, Tensor]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def publish(cache: Path, repo: str, tensors: Tensors) -> Path:
    """Put a file where huggingface_hub keeps those of a repository."""
    path = cache / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots" / "abc" / "model.safetensors"
    path.parent.mkdir(parents=True)
    (path.parents[2] / "refs").mkdir()
    (path.parents[2] / "refs" / "main").write_text("abc")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def state(module: nn.Module) -> Tensors:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def loaded(name: str) -> tuple[Tensors, tuple[str, ...]]:
    choice = Registry.installed().get(name)
    network = choice.backbone.build()
    found = weights.load(network, choice)
    return state(network), found.left_out


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor], but: tuple[str, ...] = ()) -> bool:
    names = {name for name in first if not name.startswith(but)} if but else set(first)
    return names <= second.keys() and all(torch.equal(first[name], second[name]) for name in names)


def renamed(tensors: Tensors, *pairs: tuple[str, str]) -> Tensors:
    for new, old in pairs:
        tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
    return tensors


def facebooks_convnext(tensors: Tensors) -> Tensors:
    """Return names as ConvNeXt's first publisher has them."""
    old: Tensors = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        if parts[0] == "stem":
            old[f"downsample_layers.0.{parts[1]}.{parts[2]}"] = tensor
        elif parts[0] == "stages" and parts[2] == "downsample":
            old[f"downsample_layers.{parts[1]}.{parts[3]}.{parts[4]}"] = tensor
        elif parts[0] == "stages":
            rest = ".".join(parts[4:])
            rest = rest.replace("conv_dw", "dwconv").replace("mlp.fc1", "pwconv1").replace("mlp.fc2", "pwconv2")
            old[f"stages.{parts[1]}.{parts[3]}.{rest}"] = tensor
        else:
            old[name.replace("head.norm", "norm").replace("head.fc", "head")] = tensor
    return old


PUBLISHED: dict[str, Callable[[Tensors], Tensors]] = {
    "timm/test_vit.r160_in1k": dict,
    "timm/test_efficientnet.r160_in1k": dict,
    "timm/convnext_atto.d2_in1k": facebooks_convnext,
    "timm/regnetx_002.pycls_in1k": dict,
    "timm/levit_128s.fb_dist_in1k": dict,
    "timm/deit_tiny_distilled_patch16_224.fb_in1k": dict,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_becomes_what_timm_makes_of_it(name: str, cache: Path) -> None:
    model = name.removeprefix("timm/")
    torch.manual_seed(3)
    content = PUBLISHED[name](state(timm.create_model(model)))
    path = publish(cache, name, content)
    theirs = timm.create_model(model, pretrained=True, pretrained_cfg_overlay={"file": str(path)})
    ours, left_out = loaded(name)
    assert same(state(theirs), ours)
    assert left_out == ()


def test_a_file_for_other_classes_gives_all_but_its_head(cache: Path) -> None:
    source = state(timm.create_model("convnext_tiny", num_classes=21841))
    publish(cache, "timm/convnext_tiny.fb_in22k", source)
    ours, left_out = loaded("timm/convnext_tiny.fb_in22k")
    assert left_out == ("head.fc.bias", "head.fc.weight")
    assert same(ours, source, but=("head.fc",))


def test_a_file_without_a_classifier_may_lack_what_is_around_it_and_nothing_else(cache: Path) -> None:
    source = state(timm.create_model("convnextv2_atto"))
    encoder = {name: tensor for name, tensor in source.items() if not name.startswith("head.")}
    path = publish(cache, "timm/convnextv2_atto.fcmae", encoder)
    ours, left_out = loaded("timm/convnextv2_atto.fcmae")
    assert left_out == ("head.fc.bias", "head.fc.weight", "head.norm.bias", "head.norm.weight")
    assert same(ours, source, but=("head.",))
    save_file({name: tensor for name, tensor in encoder.items() if name != "stem.0.weight"}, path)
    with pytest.raises(WeightsError, match=r"1 missing \(stem\.0\.weight\)"):
        loaded("timm/convnextv2_atto.fcmae")


def test_ones_own_file_of_a_trained_network_loads_by_the_networks_name(tmp_path: Path) -> None:
    source = state(timm.create_model("resnet10t", num_classes=7))
    save_file(source, tmp_path / "mine.safetensors")
    ours, left_out = loaded(f"timm/resnet10t@{tmp_path}/mine.safetensors")
    assert left_out == ("fc.bias", "fc.weight")
    assert same(ours, source, but=("fc.",))


def test_a_file_of_another_network_is_refused(cache: Path) -> None:
    publish(cache, "timm/resnet10t.c3_in1k", state(timm.create_model("resnet14t")))
    with pytest.raises(WeightsError, match="was made for another network than timm/resnet10t"):
        loaded("timm/resnet10t@c3_in1k")


def test_weights_that_are_not_here_are_told_with_three_ways_out(cache: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        loaded("timm/resnet10t@c3_in1k")
    assert "timm/resnet10t@c3_in1k are not here" in caught.value.text
    assert "HF_HUB_OFFLINE is set" in caught.value.text
    for way in ("xzoo weights fetch timm/resnet10t@c3_in1k", "timm/resnet10t@/path/file.safetensors", "timm/resnet10t@random"):
        assert way in caught.value.remedy


def test_volos_second_head_is_left_out() -> None:
    choice = Registry.installed().get("timm/volo_d1_224@random")
    assert choice.backbone.leave_out == ("aux_head",)
    assert choice.backbone.head.paths == ("head",)
