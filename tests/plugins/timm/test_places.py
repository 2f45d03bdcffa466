"""Networks that timm has saved to a folder or a hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

import xzoo
from xzoo.errors import UsageError, WeightsError
from xzoo.model import weights
from xzoo.zoo.registry import Registry


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, dict[str, Tensor]]:
    """Return a folder that timm has saved, of a network for one channel and seven classes, and its tensors."""
    from timm.models import save_for_hf

    torch.manual_seed(5)
    model = timm.create_model("test_resnet", num_classes=7, in_chans=1)
    folder = tmp_path / "my net"
    save_for_hf(model, str(folder), model_args={"in_chans": 1})
    return folder, state(model)


def loaded(name: str) -> tuple[xzoo.Choice, dict[str, Tensor]]:
    choice = Registry.installed().get(name)
    network = choice.backbone.build()
    weights.load(network, choice)
    return choice, state(network)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_folder_that_timm_saved_is_a_backbone(saved: tuple[Path, dict[str, Tensor]]) -> None:
    folder, tensors = saved
    choice, ours = loaded(f"timm/local-dir:{folder}")
    assert same(ours, tensors)
    assert (choice.name, choice.weights_name, choice.preprocess.num_channels) == (f"timm/local-dir:{folder}", "local", 1)
    assert xzoo.info(choice).channels == 1


def test_a_folder_can_also_start_at_random(saved: tuple[Path, dict[str, Tensor]]) -> None:
    folder, tensors = saved
    choice, ours = loaded(f"timm/local-dir:{folder}@random")
    assert choice.weights_name == "random"
    assert ours.keys() == tensors.keys()
    assert not same(ours, tensors)
    with pytest.raises(UsageError, match="has no weights 'v2'"):
        Registry.installed().get(f"timm/local-dir:{folder}@v2")


def put_on_hub(tmp_path: Path, folder: Path, revision: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    repo = tmp_path / "hub" / "models--me--net"
    shutil.copytree(folder, repo / "snapshots" / revision)
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / name).write_text(revision)


def test_a_repository_of_the_hub_is_a_backbone_and_a_revision_its_weights(
    saved: tuple[Path, dict[str, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from timm.models import save_for_hf

    folder, tensors = saved
    put_on_hub(tmp_path, folder, "aaa", "main", monkeypatch)
    torch.manual_seed(6)
    other = timm.create_model("test_resnet", num_classes=7, in_chans=1)
    save_for_hf(other, str(tmp_path / "later"), model_args={"in_chans": 1})
    put_on_hub(tmp_path, tmp_path / "later", "bbb", "v2", monkeypatch)
    main, ours = loaded("timm/hf-hub:me/net")
    assert same(ours, tensors)
    revised, theirs = loaded("timm/hf-hub:me/net@v2")
    assert same(theirs, state(other))
    assert (main.label, revised.label) == ("timm/hf-hub:me/net@main", "timm/hf-hub:me/net@v2")


def test_a_revision_that_is_another_network_is_refused(
    saved: tuple[Path, dict[str, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = saved
    put_on_hub(tmp_path, folder, "aaa", "main", monkeypatch)
    content: dict[str, Any] = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "architecture": "test_vit"}))
    put_on_hub(tmp_path, folder, "ccc", "v3", monkeypatch)
    with pytest.raises(UsageError, match="is test_resnet, and at 'v3' it is test_vit"):
        Registry.installed().get("timm/hf-hub:me/net@v3")


def test_a_hub_out_of_reach_is_told_with_three_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        Registry.installed().get("timm/hf-hub:me/net")
    assert "config.json, which is not here: HF_HUB_OFFLINE is set" in caught.value.text
    for way in ("xzoo weights fetch timm/hf-hub:me/net", "timm/local-dir:/folder", "timm/NAME@/path/file.safetensors"):
        assert way in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "there is no file"),
        ("{", "cannot be read"),
        ("[]", "holds no configuration"),
        ("{}", "names no architecture"),
    ],
)
def test_a_folder_without_a_configuration_is_refused(content: str | None, what: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UsageError, match=what):
        Registry.installed().get(f"timm/local-dir:{tmp_path}")


def test_a_folder_without_weights_is_told_when_they_are_wanted(saved: tuple[Path, dict[str, Tensor]]) -> None:
    folder, _ = saved
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(WeightsError, match=r"there is no file .*model\.safetensors"):
        loaded(f"timm/local-dir:{folder}")
