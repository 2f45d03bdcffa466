"""`xzoo predict`: one row for each image, or one screen that names what is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
def room(tmp_path_factory: pytest.TempPathFactory, draw_dark_and_bright: Callable[[Path, int, int], None]) -> Path:
    """Images in `data`, a backbone in `net.py`, and one run of it."""
    import xzoo

    room = tmp_path_factory.mktemp("room")
    (room / "net.py").write_text(CODE)
    draw_dark_and_bright(room / "data", 80, 140)
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
    assert found["images"][0].keys() == {"path", "label", "probabilities", "abstained", "map"}
    assert (found["abstain_below"], found["num_abstained"], found["explained"]) == (None, 0, None)
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
        (("last", "data/test", "--abstain", "0.5"), "a threshold of 0.5 lets no image abstain"),
        (("last", "data/test", "--abstain", "nan"), "a threshold of nan lets no image abstain"),
        (("last", "data/test", "--explain", "data/test"), "data/test holds other things than maps"),
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


def test_an_image_abstains_exactly_where_no_probability_reaches_the_threshold(
    answer: Callable[..., Answer], one_object: Callable[[str], dict[str, Any]]
) -> None:
    _, out, _ = answer("predict", "last", "data/test", "--format", "json")
    greatest = [max(image["probabilities"].values()) for image in one_object(out)["images"]]
    # The threshold is one of the probabilities: an image that reaches it is answered.
    threshold = sorted(greatest)[5]
    code, out, _ = answer("predict", "last", "data/test", "--abstain", repr(threshold), "--format", "json")
    found = one_object(out)
    assert (code, found["num_abstained"], found["abstain_below"]) == (0, 5, threshold)
    for image, share in zip(found["images"], greatest, strict=True):
        assert (image["abstained"], image["label"] == "") == (share < threshold, share < threshold)
    _, out, err = answer("predict", "last", "data/test", "--abstain", repr(threshold))
    head, *rows = csv.reader(io.StringIO(out))
    assert head == ["path", "label", "abstained", "bright", "dark"]
    assert [row[2] for row in rows] == ["yes" if share < threshold else "no" for share in greatest]
    assert f"5 of 16 images have no class: no probability reaches {threshold:g}" in err


def test_each_image_is_drawn_under_the_map_of_its_answer(answer: Callable[..., Answer], tmp_path: Path) -> None:
    goal = tmp_path / "maps"
    code, out, err = answer("predict", "last", "data/test/dark", "data/test/bright/3.png", "--explain", str(goal))
    head, *rows = csv.reader(io.StringIO(out))
    assert code == 0, err
    assert head == ["path", "label", "map", "bright", "dark"]
    assert [Path(row[2]).name for row in rows] == [f"{place + 1:05d}-{place}.png" for place in range(8)] + ["00009-3.png"]
    for row in rows:
        with Image.open(row[2]) as drawn:
            assert (drawn.size, drawn.mode) == ((8, 8), "RGB")
            assert drawn.info["Description"].startswith(f"{row[0]}: {row[1]}, probability 0.")
    # What was drawn before may be drawn anew; what others put beside it may not be taken away.
    assert answer("predict", "last", "data/test/dark", "--explain", str(goal))[0] == 0
    assert len(list(goal.glob("*.png"))) == 8
    (goal / "mine.txt").write_text("keep me")
    assert answer("predict", "last", "data/test/dark", "--explain", str(goal))[0] == 2
    cell = next(Path("xzoo-runs").glob("*/cells/*"))
    assert answer("predict", "last", "data/test/dark", "--explain", str(cell))[0] == 2, "what another command wrote stays"
    assert (goal / "mine.txt").read_text() == "keep me"


def test_no_picture_stays_of_images_that_cannot_be_read(answer: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG cut off")
    code, _, err = answer("predict", "last", "data/test", str(tmp_path / "bad.png"), "--explain", str(tmp_path / "maps"))
    assert (code, "1 of 17 images cannot be read" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.png"]


def test_no_class_or_file_of_the_csv_is_a_formula() -> None:
    from xzoo.compare.inference import Predicted, PredictedImage
    from xzoo.report.listing import predicted_text

    hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain"]
    images = [PredictedImage(f"{name}.png", name, dict.fromkeys(hostile, 1 / 7)) for name in hostile]
    found = Predicted(run="run", contender="net", seed=0, classes=tuple(hostile), images=images)
    head, *rows = csv.reader(io.StringIO(predicted_text(found)))
    texts = [*head, *(row[place] for row in rows for place in (0, 1))]
    assert [text for text in texts if text[0] in "=+-@\t\r"] == []
    assert [row[1].lstrip("'") for row in rows] == ["=1+1", "+1", "-1", "@SUM(A1)", "\\t=1", "\\r=1", "plain"]
