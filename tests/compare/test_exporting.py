"""`xzoo.export` from Python: what a run needs to be exported, and on which images its files are held against it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import xzoo
from xzoo.errors import UsageError

RECIPE = {"epochs": 2, "batch_size": 8, "lr": 0.05, "precision": "fp32"}


def images(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return dark and bright images (N,16,16) and their labels."""
    rng, labels_N = np.random.default_rng(0), np.arange(count) % 2
    return (rng.integers(0, 120, (count, 16, 16)) + 100 * labels_N[:, None, None]).astype(np.uint8), labels_N


def test_a_run_of_arrays_is_exported_with_what_only_python_can_hand_over(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    pixels_NHW, labels_N = images(30)
    splits = ["train"] * 14 + ["val"] * 6 + ["test"] * 10
    data = xzoo.arrays(pixels_NHW, labels_N, splits=splits)
    run = xzoo.compare([tiny], data, freeze=["frozen"], seeds=1, recipe=RECIPE, latency=False, runs=tmp_path / "runs").run
    contender = "tiny@random frozen"
    with pytest.raises(UsageError, match="cannot find its data again"):
        xzoo.export(run, tmp_path / "out", to="safetensors", contender=contender, backbone=tiny)
    with pytest.raises(UsageError, match="made in Python"):
        xzoo.export(run, tmp_path / "out", to="safetensors", contender=contender, data=data)
    assert not (tmp_path / "out").exists()
    found = xzoo.export(run, tmp_path / "out", to=["pt2", "safetensors"], contender=contender, data=data, backbone=tiny)
    assert (found.checked_on["split"], found.checked_on["images"], found.checked_on["of"]) == ("test", 10, 10)
    # The file alone says what the run says of its test images.
    model = torch.export.load(tmp_path / "out" / "model.pt2").module()
    images_NCHW = torch.from_numpy(pixels_NHW[20:])[:, None].expand(-1, 3, -1, -1) / 255
    expected_NK = xzoo.load(run, contender=contender, backbone=tiny).probabilities(images_NCHW)
    with torch.no_grad():
        assert torch.allclose(model(images_NCHW).double().softmax(1), expected_NK, atol=1e-6)


def test_data_that_was_moved_is_named(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    from PIL import Image

    pixels_NHW, labels_N = images(32)
    for number, (pixels_HW, label) in enumerate(zip(pixels_NHW, labels_N, strict=True)):
        place = tmp_path / "data" / ("train" if number < 24 else "test") / str(label)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_HW).save(place / f"{number}.png")
    run = xzoo.compare(
        [tiny], tmp_path / "data", freeze=["frozen"], seeds=1, recipe=RECIPE, latency=False, runs=tmp_path / "runs"
    ).run
    shutil.move(tmp_path / "data", tmp_path / "moved")
    asked = {"to": "safetensors", "contender": "tiny@random frozen", "backbone": tiny}
    with pytest.raises(UsageError, match=r"is not in .* any more"):
        xzoo.export(run, tmp_path / "out", **asked)  # type: ignore[arg-type]
    found = xzoo.export(run, tmp_path / "out", data=tmp_path / "moved", **asked)  # type: ignore[arg-type]
    assert (found.checked_on["split"], found.checked_on["images"]) == ("test", 8)
