"""What `--dry-run` says: the plan that would be carried out, and nothing that it leaves behind."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xzoo
from xzoo.compare import api, forecast, workload
from xzoo.compare.workload import Images
from xzoo.data.pack import foresee_pack, make_pack
from xzoo.data.source import open_source
from xzoo.errors import DataError, UsageError
from xzoo.train.device import Device
from xzoo.train.recipe import Recipe
from xzoo.zoo.registry import Registry

CPU = Device("cpu", "fp32", 1)
FRESH = "phantom:train=20,val=8,test=8,size=40,seed=77"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache, weights and runs of this test alone."""
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_written_and_nothing_fetched(places: Path) -> None:
    found = forecast.foresee(["alexnet", "resnet18@random"], FRESH, seeds=2, device="cpu")
    assert list(places.iterdir()) == []
    assert [(one.name, one.address.rpartition("/")[2]) for one in found.downloads] == [
        ("alexnet@IMAGENET1K_V1", "alexnet-owt-7be5be79.pth")
    ]
    assert found.downloads[0].num_bytes == pytest.approx(244_403_000, rel=1e-3)
    assert [cell.state for cell in found.cells] == ["to do"] * 8
    assert found.disk["pack"] > 0


def test_the_plan_is_the_one_that_would_be_carried_out(places: Path, tiny: xzoo.Backbone) -> None:
    asked: dict[str, Any] = {"freeze": ["frozen", "last:1"], "seeds": 2, "recipe": {"epochs": 1}, "latency": False}
    looked, made = (api.make_plan([tiny], FRESH, is_look=is_look, **asked) for is_look in (True, False))
    assert looked.hash == made.hash
    assert [cell.id for cell in looked.cells] == [cell.id for cell in made.cells]
    assert looked.pack.num_channels == made.pack.num_channels


def test_what_is_done_is_not_to_do_again(places: Path, tiny: xzoo.Backbone) -> None:
    asked: dict[str, Any] = {"freeze": ["frozen"], "recipe": {"epochs": 1}, "latency": False, "device": "cpu"}
    xzoo.compare([tiny], FRESH, seeds=2, **asked)
    found = forecast.foresee([tiny], FRESH, seeds=2, **asked)
    assert [cell.state for cell in found.cells] == ["done", "done"]
    assert (found.total_seconds, found.disk, found.memory_gb) == (0, {}, None)


def test_disk_is_what_is_then_taken(places: Path, tiny: xzoo.Backbone) -> None:
    asked: dict[str, Any] = {"freeze": ["frozen"], "seeds": 1, "recipe": {"epochs": 1}, "latency": False, "device": "cpu"}
    foreseen = forecast.foresee([tiny], FRESH, **asked).disk

    def held(kind: str, name: str) -> int:
        return sum(path.stat().st_size for path in (places / "cache" / kind).rglob(name))

    xzoo.compare([tiny], FRESH, **asked)
    assert foreseen["pack"] == held("packs", "pixels.bin")
    assert foreseen["views"] == held("views", "pixels.bin")
    assert foreseen["features"] == held("features", "rows.bin")


def test_a_few_images_tell_the_size_of_all(places: Path) -> None:
    pixels_NHW = np.random.default_rng(0).integers(0, 256, (20, 31, 17), dtype=np.uint8)
    source = open_source(xzoo.arrays(pixels_NHW, np.arange(20) % 2))
    looked = foresee_pack(source)
    assert (looked.num_channels, looked.shapes_N3.tolist()) == (1, [[31, 17, 1]] * 20)
    assert looked.to_decode_s > 0
    made = make_pack(source)
    assert (looked.key, looked.together_N) == (made.key, made.together_N)
    assert foresee_pack(source).to_decode_s == 0


def test_what_cannot_be_read_or_meant_is_told_as_ever(places: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        forecast.foresee(["alexnet@random"], "nowhere")
    with pytest.raises(UsageError, match="there is no backbone"):
        forecast.foresee(["alexnett"], FRESH)


def test_a_size_that_a_network_does_not_take_is_told_of_its_cells(places: Path) -> None:
    found = forecast.foresee(["vit_b_16@random"], FRESH, freeze=["frozen"], seeds=1, recipe={"size": 64}, device="cpu")
    [cell] = found.cells
    assert (cell.state, cell.seconds) == ("cannot be trained", None)
    assert "takes only 224x224" in cell.note


def test_on_cuda_no_time_is_told(places: Path, tiny: xzoo.Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "choose", lambda *_: Device("cuda", "bf16", 1))
    found = forecast.foresee([tiny], FRESH, seeds=1)
    assert (found.seconds, found.total_seconds, found.speed) == (None, None, None)
    assert {cell.seconds for cell in found.cells} == {None}
    assert "no costs are known on cuda" in found.notes


@pytest.fixture(scope="module")
def load() -> workload.Load:
    choice = Registry.installed().get("resnet18@random")
    return workload.count(choice, choice.preprocess)


def test_counts_are_those_of_the_network(load: workload.Load) -> None:
    from xzoo.model.facts import info

    facts = info("resnet18@random")
    assert sum(load.gmacs.values()) == pytest.approx(facts.gmacs)
    assert sum(load.params.values()) == facts.params
    assert load.features == math.prod(facts.features)
    assert load.share_from(0) == pytest.approx(1)


def test_time_follows_what_learns(load: workload.Load) -> None:
    images, recipe = Images(train=100, val=20, test=20), Recipe(epochs=10)

    def seconds(freeze: str, **changes: Any) -> float:
        return sum(workload.trained(load, freeze, replace(recipe, **changes), images, CPU))

    assert seconds("frozen") < seconds("last:1")
    assert all(seconds("last:1") < seconds(freeze) < seconds("finetune") for freeze in ("gradual:2", "lp-ft"))
    assert seconds("layerwise:0.5") == seconds("finetune")
    assert seconds("last:1", augment="natural") > seconds("last:1")
    assert seconds("finetune", epochs=20) == pytest.approx(2 * seconds("finetune"), rel=0.1)
    half = workload.trained(load, "finetune", recipe, images, replace(CPU, threads=2))
    assert sum(half) < seconds("finetune")
