"""What the network is given is what torchxrayvision gives it, and its answers are torchxrayvision's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchxrayvision
import xzoo
from PIL import Image

import xzoo_xrv


@pytest.fixture
def radiograph(tmp_path: Path) -> Path:
    """Return the folder of an 8-bit picture of the network's size, which holds every gray there is."""
    gray_HW = np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)
    for split in ("train", "test"):
        for name in ("normal", "pneumonia"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(4):
                Image.fromarray(np.roll(gray_HW, number)).save(tmp_path / split / name / f"{number}.png")
    return tmp_path


def test_pixels_become_what_torchxrayvision_makes_of_them() -> None:
    gray_N = np.arange(256, dtype=np.uint8)
    expected_N = torchxrayvision.datasets.normalize(gray_N, 255)
    given_N = (gray_N / 255 - xzoo_xrv.GRAY.mean[0]) / xzoo_xrv.GRAY.std[0]
    assert (expected_N.min(), expected_N.max()) == (-1024, 1024)
    assert np.abs(given_N - expected_N).max() < 1e-3


def test_the_whole_way_from_a_picture_to_the_network_is_torchxrayvisions(radiograph: Path, tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    def build() -> torch.nn.Module:
        network: torch.nn.Module = xzoo_xrv.build()
        network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach().clone()))
        return network

    [backbone] = xzoo_xrv.xzoo_backbones()
    watched = xzoo.Backbone(**{**vars(backbone), "build": build, "weights": ()})
    asked = {"freeze": ["finetune"], "seeds": 1, "recipe": {"epochs": 1}, "latency": False, "runs": tmp_path / "runs"}
    xzoo.compare([watched], data=str(radiograph), **asked)
    files = sorted(radiograph.glob("t*/*/*.png"))
    expected = [torchxrayvision.datasets.normalize(np.asarray(Image.open(file)), 255, reshape=True) for file in files]
    images = torch.cat([batch.float() for batch in seen if batch.device.type == "cpu"])
    for picture in expected:
        assert min(float((image - torch.from_numpy(picture)).abs().max()) for image in images) < 1e-3


def test_published_weights_are_opened_by_torchxrayvision_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(xzoo_xrv, "build", lambda weights=None: asked.append(weights) or torch.nn.Linear(2, 2))
    [backbone] = xzoo_xrv.xzoo_backbones()
    for weights in backbone.weights:
        assert weights.read is not None
        assert set(weights.read()) == {"weight", "bias"}
    assert asked == [f"densenet121-res224-{name}" for name in ("all", "nih", "chex", "mimic_ch")]
    assert {f"densenet121-res224-{name}" for name in xzoo_xrv.SETS} <= set(torchxrayvision.models.model_urls)
