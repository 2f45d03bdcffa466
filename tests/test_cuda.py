"""The one code path, on CUDA. Skipped where there is no device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from xzoo.compare.api import compare
from xzoo.data.source import arrays

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.slow,
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
BACKBONES = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16")
STRATEGIES = ("frozen", "finetune", "last:1", "gradual:1", "lp-ft", "layerwise:0.75")


@pytest.mark.parametrize("name", BACKBONES)
def test_every_strategy_keeps_its_promise_on_cuda(name: str, tmp_path: Path) -> None:
    images_NHW = np.random.default_rng(0).integers(0, 256, (48, 224, 224), dtype=np.uint8)
    splits = ["train"] * 16 + ["val"] * 16 + ["test"] * 16
    data = arrays(images_NHW, np.arange(48) % 2, splits=splits)
    recipe = {"epochs": 2, "batch_size": 8}
    found = compare([f"{name}@random"], data, freeze=STRATEGIES, seeds=1, recipe=recipe, device="cuda", runs=tmp_path)
    assert [cell.error for cell in found.cells] == [None] * len(STRATEGIES)
    assert all(cell.proof is not None and cell.proof.holds for cell in found.cells)
    assert {cell.environment["kind"] for cell in found.cells} == {"cuda"}
    assert all(cell.peak_memory_mb for cell in found.cells)


def test_the_demo_runs_on_cuda_and_tells_the_classes_apart(tmp_path: Path) -> None:
    found = compare(["alexnet@random", "googlenet@random"], device="cuda", runs=tmp_path)
    assert not found.failed
    for row in found.contenders:
        assert row.test["accuracy"]["value"] >= 0.85 if row.freeze == "frozen" else row.test["accuracy"]["low"] > 0.5
