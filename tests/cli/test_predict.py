"""`xzoo predict`: one row for each image, or one screen that names what is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CODE = """
import xzoo

def build():
    from torch import nn
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("5"), stages={"body": ("0", "1")},
                    preprocess=xzoo.Preprocess(size=8, mean=(0.5,), std=(0.25,)))
"""
Answer = tuple[int, str, str]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images in `data`, a backbone in `net.py`, and one run of it."""
    import xzoo

    room = tmp_path_factory.mktemp("room")
    (room / "net.py").write_text(CODE)
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for label, level in (("dark", 20), ("bright", 140)):
            (room / "data" / split / label).mkdir(parents=True)
            for place in range(8):
                pixels = rng.integers(0, 80, (9, 12)).astype(np.uint8) + level
                Image.fromarray(pixels.astype(np.uint8)).save(room / "data" / split / label / f"{place}.png")
    recipe = {"epochs": 4, "lr": 0.05, "precision": "fp32", "batch_size": 8}
    xzoo.compare([f"{room / 'net.py'}:net"], room / "data", freeze=["finetune"], seeds=2, recipe=recipe, runs=room / "xzoo-runs")
    return room


@pytest.fixture
def answer(room: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., Answer]) -> Callable[..., Answer]:
    monkeypatch.chdir(room)
    return command


def test_text_is_csv_with_a_row_for_each_image(answer: Callable[..., Answer]) -> None:
    code, out, err = answer("predict", "last", "data/test/dark", "data/test/bright/3.png")
    head, *rows = csv.reader(io.StringIO(out))
    assert code == 0
    assert head == ["path", "label", "bright", "dark"]
    assert [row[0] for row in rows] == [f"data/test/dark/{place}.png" for place in range(8)] + ["data/test/bright/3.png"]
    assert [row[1] for row in rows] == ["dark"] * 8 + ["bright"]
    assert all(abs(float(row[2]) + float(row[3]) - 1) < 1e-5 for row in rows)
    assert err.startswith("net@random finetune, seed ")


def test_json_says_whose_prediction_it_is(answer: Callable[..., Answer], one_object: Callable[[str], dict[str, Any]]) -> None:
    code, out, _ = answer("predict", "last", "data/test", "--contender", "net@random finetune", "--format", "json")
    found = one_object(out)
    assert code == 0
    assert (found["schema"], found["contender"], found["classes"]) == (
        "xzoo.predict/1",
        "net@random finetune",
        ["bright", "dark"],
    )
    assert len(found["images"]) == 16
    assert found["images"][0].keys() == {"path", "label", "probabilities"}
    assert found["images"][0]["probabilities"].keys() == {"bright", "dark"}


def test_a_file_named_twice_is_predicted_once(answer: Callable[..., Answer]) -> None:
    _, out, _ = answer("predict", "last", "data/test/dark/0.png", "data/test/dark", "data/test/dark")
    assert len(out.splitlines()) == 1 + 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuchrun", "data/test"), "there is no run 'nosuchrun'"),
        (("last", "nowhere.png", "data/neither"), "nowhere.png does not exist, data/neither does not exist"),
        (("last", "data/test", "--contender", "net"), "no contender 'net'"),
        (("last", "data/test", "--seed", "9"), "there is no seed 9"),
        (("last", "net.py"), "net.py (it is none of PNG"),
        (("", "data/test"), "RUN is empty"),
        (("last", "data/test", "--runs", "elsewhere"), "there is no run 'last' in elsewhere"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_names_it(answer: Callable[..., Answer], words: tuple[str, ...], said: str) -> None:
    code, out, err = answer("predict", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_all_unreadable_images_are_named_and_nothing_is_printed(answer: Callable[..., Answer], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"\x89PNG cut off")
    code, out, err = answer("predict", "last", "data/test", str(tmp_path))
    assert (code, out) == (2, "")
    assert "2 of 18 images cannot be read" in err
    assert "a.png" in err
    assert "b.png" in err


def test_a_folder_without_images_is_named(answer: Callable[..., Answer], tmp_path: Path) -> None:
    code, _, err = answer("predict", "last", str(tmp_path))
    assert code == 2
    assert f"{tmp_path} holds no images" in err
