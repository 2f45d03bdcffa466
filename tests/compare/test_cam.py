"""Maps of a run's contenders: from files and from pixels, at the layer that is declared, found or named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import xzoo
from xzoo.errors import DataError, UsageError
from xzoo.zoo.identity import identity
from xzoo.zoo.registry import Registry
from xzoo.zoo.typed import mistyped

CODE = """
import xzoo

def build():
    from torch import nn
    stem = [nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3)]
    return nn.Sequential(*stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 10))

words = dict(build=build, head=xzoo.ReplaceLinear("6"), stages={"stem": ("0", "1", "3")}, preprocess=xzoo.Preprocess(size=16))
net = xzoo.Backbone(name="net", **words)
early = xzoo.Backbone(name="early", map_layer=xzoo.MapLayer("2"), **words)
made = xzoo.Backbone(name="made", map_layer=lambda module: xzoo.MapLayer(str(len(module) - 7)), **words)
wrong = xzoo.Backbone(name="wrong", map_layer=xzoo.MapLayer("9"), **words)
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two classes in `data`, four backbones in `nets.py`, and a run of each below `runs`."""
    room = tmp_path_factory.mktemp("room")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4), ("test", 4)):
        for label in ("bright", "dark"):
            (room / "data" / split / label).mkdir(parents=True)
            for place in range(count):
                pixels = rng.integers(0, 80, (20, 28)).astype(np.uint8) + (120 if label == "bright" else 20)
                Image.fromarray(pixels).save(room / "data" / split / label / f"{place}.png")
    (room / "nets.py").write_text(CODE)
    names = [f"{room / 'nets.py'}:{name}" for name in ("net", "early", "made", "wrong")]
    recipe = {"epochs": 2, "batch_size": 8, "precision": "fp32"}
    xzoo.compare(names, room / "data", freeze=["finetune"], seeds=1, recipe=recipe, latency=False, runs=room / "runs")
    return room


def contender(name: str) -> str:
    return f"{name}@random finetune"


def test_files_and_a_loaded_networks_pixels_give_the_same_maps(room: Path) -> None:
    words = {"contender": contender("net"), "runs": room / "runs"}
    files = xzoo.cam("last", room / "data" / "test" / "dark", method="hires-cam", **words)  # type: ignore[arg-type]
    model = xzoo.load("last", **words)  # type: ignore[arg-type]
    paths = sorted((room / "data" / "test" / "dark").iterdir())
    pixels = np.stack([np.asarray(Image.open(path).resize((16, 16), Image.Resampling.BILINEAR)) for path in paths])[:, None]
    arrays = xzoo.cam(model, pixels, method="hires-cam")
    tensors = xzoo.cam(model, torch.from_numpy(pixels), method="hires-cam")
    assert files.maps_BHW.shape == (4, 16, 16)
    assert files.layer == arrays.layer == xzoo.MapLayer("3")
    assert torch.equal(arrays.signed_Bhw, tensors.signed_Bhw)
    assert torch.allclose(files.signed_Bhw, arrays.signed_Bhw, atol=1e-5)
    predicted = xzoo.predict("last", room / "data" / "test" / "dark", **words)  # type: ignore[arg-type]
    assert list(files.targets) == [one.label for one in predicted.images]
    for row, one in zip(files.probabilities_BK.tolist(), predicted.images, strict=True):
        assert row == pytest.approx(list(one.probabilities.values()), abs=1e-5)


@pytest.mark.parametrize(("name", "path"), [("early", "2"), ("made", "0")])
def test_the_declared_layer_is_looked_at(room: Path, name: str, path: str) -> None:
    words = {"contender": contender(name), "runs": room / "runs"}
    found = xzoo.cam("last", room / "data" / "test", target="bright", **words)  # type: ignore[arg-type]
    assert found.layer == xzoo.MapLayer(path)
    assert set(found.targets) == {"bright"}
    assert xzoo.cam("last", room / "data" / "test", layer="3", **words).layer.path == "3"  # type: ignore[arg-type]


def test_what_is_not_there_is_named(room: Path) -> None:
    words = {"contender": contender("wrong"), "runs": room / "runs"}
    with pytest.raises(UsageError, match="no layer '9'"):
        xzoo.cam("last", room / "data" / "test", **words)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="does not exist"):
        xzoo.cam("last", room / "nowhere", **words)  # type: ignore[arg-type]


def test_where_maps_look_is_no_part_of_what_training_depends_on(room: Path) -> None:
    registry = Registry.installed()
    net, early = (registry.get(f"{room / 'nets.py'}:{name}") for name in ("net", "early"))
    from dataclasses import replace

    renamed = replace(early, backbone=replace(early.backbone, name="net"))
    assert identity(renamed) == identity(net)
    assert identity(replace(net, backbone=replace(net.backbone, freeze="finetune"))) != identity(net)


def test_a_declared_layer_of_another_type_is_told() -> None:
    backbone = xzoo.Backbone(name="x", build=lambda: None, head=xzoo.ReplaceLinear("1"), stages={"a": "0"}, map_layer="layer4")  # type: ignore[arg-type, return-value]
    assert mistyped(backbone).startswith("map_layer is 'layer4', not a MapLayer")
