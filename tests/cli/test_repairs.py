"""Odd inputs that can be used: the command ends well, and its findings say what was done to them."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from xzoo.cli import main

Draw = Callable[..., Path]
Answer = Callable[[str], dict[str, Any]]
TINY = ["--epochs=1", "--seeds=1", "--freeze=frozen", "--set=size=16", "--format=json"]


def answer(data: str, runs: Path) -> dict[str, Any]:
    """Compare on the data, and return the one object that is printed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["compare", "convgap", "--data", data, "--runs", str(runs), *TINY])
    assert code == 0, err.getvalue() + out.getvalue()
    assert out.getvalue().count("\n") == 1
    told: dict[str, Any] = json.loads(out.getvalue())
    assert [cell["status"] for cell in told["cells"]] == ["done"]
    return told


@pytest.fixture
def compared(place: Path, tmp_path: Path) -> Answer:
    def run(data: str) -> dict[str, Any]:
        told = answer(data, place / "runs")
        assert list(tmp_path.rglob("*.tmp")) == []
        return told

    return run


def finding(told: dict[str, Any], name: str) -> str:
    """Return the text of the finding of that id."""
    texts = {one["id"]: one["text"] for one in told["findings"]}
    assert name in texts, f"{name} is not among {sorted(texts)}"
    return str(texts[name])


def pixels(*shape: int, most: int = 256, kind: type = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(sum(shape) + most).integers(0, most, shape).astype(kind)


def turned(path: Path) -> None:
    image = Image.fromarray(pixels(16, 20))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, exif=exif)


def opaque(path: Path) -> None:
    Image.fromarray(pixels(16, 18, 3)).convert("RGBA").save(path)


def moving(path: Path) -> None:
    frames = [Image.fromarray(pixels(16, 21, most=most)) for most in (255, 100)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


ODD_IMAGES: list[tuple[str, Callable[[Path], Any], str, str]] = [
    (
        "deep.png",
        lambda path: Image.fromarray(pixels(16, 16, most=4000, kind=np.uint16)).save(path),
        "bit-depth",
        "4095 is white",
    ),
    ("alpha.png", lambda path: Image.fromarray(pixels(16, 16, 4)).save(path), "alpha", "composited over black: 1 image"),
    ("opaque.png", opaque, "opaque-alpha", "dropped: 1 image"),
    ("cmyk.jpg", lambda path: Image.fromarray(pixels(16, 17, 3)).convert("CMYK").save(path), "cmyk", "converted to RGB: 1 image"),
    ("palette.png", lambda path: Image.fromarray(pixels(16, 22, 3)).convert("P").save(path), "palette", "converted to RGB"),
    ("one-bit.png", lambda path: Image.fromarray(pixels(16, 23)).convert("1").save(path), "one-bit", "1 image"),
    ("float.tif", lambda path: Image.fromarray((pixels(16, 24) / 255).astype(np.float32)).save(path), "float", "1 image"),
    ("turned.jpg", turned, "orientation", "EXIF"),
    ("moving.gif", moving, "frames", "the first of several frames"),
    (
        "grey.png",
        lambda path: Image.fromarray(np.repeat(pixels(16, 25, 1), 3, axis=2)).save(path),
        "gray",
        "three equal channels",
    ),
    ("large.png", lambda path: Image.fromarray(pixels(600, 520)).save(path), "reduced", "512 pixels"),
]
PASSED_OVER = [
    ("hidden-files", "a/.ipynb_checkpoints"),
    ("linked-folders", "a/circle"),
    ("linked-files", "a/linked.png"),
    ("loose-images", "circle, loose.png"),
    ("other-files", "1 .md, 1 .txt, 1 .png"),
    ("duplicates", "a/linked.png and b/0.png; 1 under different labels"),
]
STRANGE_NAMES = [
    "ünï cödé 图.png",
    "spaces  in it .png",
    "quote'\".png",
    "l" * 240 + ".png",
    os.fsdecode(b"\xff.png"),
    "two\nlines.png",
]


def fill(folder: Path, draw: Draw) -> None:
    draw(folder)
    for name, make, _, _ in ODD_IMAGES:
        make(folder / "a" / name)
    shutil.copytree(folder / "b", folder / "a" / ".ipynb_checkpoints")
    (folder / "a" / "circle").symlink_to(folder)
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "a" / "linked.png").symlink_to(folder / "b" / "0.png")
    Image.fromarray(pixels(16, 30)).save(folder / "loose.png")
    os.mkfifo(folder / "b" / "pipe.png")
    for name in ("notes.txt", "notes.md"):
        (folder / "a" / name).write_text("no image")
    for place, name in enumerate(STRANGE_NAMES):
        Image.fromarray(pixels(16, 40 + place)).save(folder / "b" / name, format="PNG")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, images: Draw) -> Iterator[dict[str, Any]]:
    """What is said of one folder that holds every oddity of this file."""
    folder = tmp_path_factory.mktemp("odd data")
    fill(folder / "pho tos", images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XZOO_CACHE", str(folder / "cache"))
        yield answer(str(folder / "pho tos"), folder / "runs")
    assert list(folder.rglob("*.tmp")) == []


@pytest.mark.parametrize(("name", "text"), [(name, text) for _, _, name, text in ODD_IMAGES])
def test_images_that_are_converted_are_counted(odd: dict[str, Any], name: str, text: str) -> None:
    assert text in finding(odd, name)


@pytest.mark.parametrize(("name", "text"), PASSED_OVER)
def test_what_is_passed_over_is_named(odd: dict[str, Any], name: str, text: str) -> None:
    assert text in finding(odd, name)


def test_every_image_counts_whatever_its_name(odd: dict[str, Any]) -> None:
    assert odd["dataset"]["images"] == 8 + len(ODD_IMAGES) + 1 + len(STRANGE_NAMES)
    assert odd["dataset"]["name"] == "pho tos"
    assert odd["dataset"]["classes"] == ["a", "b"]


def test_classes_may_have_any_name(compared: Answer, place: Path, images: Draw) -> None:
    images(place / "photos", classes=["-rf", "c d", "Пневмония", os.fsdecode(b"\xfe")])
    assert compared("photos")["dataset"]["classes"] == ["-rf", "c d", "Пневмония", r"\udcfe"]


def test_declared_splits_that_lack_or_share_something_are_warned_of(compared: Answer, place: Path, images: Draw) -> None:
    images(place / "photos" / "train")
    images(place / "photos" / "test", classes="a")
    shutil.copy(place / "photos" / "train" / "a" / "0.png", place / "photos" / "test" / "a" / "9.png")
    told = compared("photos")
    assert "test lacks b" in finding(told, "lacking-classes")
    assert "train/a/0.png and test/a/9.png; 1 across splits" in finding(told, "duplicates")
    assert told["dataset"]["splits"]["test"] == 5


def test_a_listing_is_mended_and_its_patients_are_watched(compared: Answer, place: Path, good: Path) -> None:
    rows = [
        f"good/{label}/{number}.png,{label},p{number % 3},{'test' if number == 3 else 'train'}"
        for label in "ab"
        for number in range(4)
    ]
    (place / "list.csv").write_text("\ufeffPath, Label, Group, Split\n" + "\n".join([*rows[:7], rows[0]]) + "\n\n")
    told = compared("list.csv")
    assert "good/a/0.png" in finding(told, "listed-twice")
    assert "good/b/3.png" in finding(told, "unlisted-files")
    assert "p0" in finding(told, "shared-groups")
    assert told["dataset"]["images"] == 7


def test_stacks_of_floats_are_scaled(compared: Answer, place: Path) -> None:
    (place / "photos").mkdir()
    np.save(place / "photos" / "a.npy", pixels(4, 16, 16) / 255)
    np.save(place / "photos" / "b.npy", pixels(4, 16, 17, most=4000, kind=np.uint16))
    told = compared("photos")
    assert "4 images" in finding(told, "float")
    assert "4095 is white" in finding(told, "bit-depth")


def test_archives_may_name_their_classes(compared: Answer, place: Path) -> None:
    np.savez(place / "photos.npz", images=pixels(8, 3, 16, 16), labels=np.array([["normal"], ["opaque"]] * 4))
    assert compared("photos.npz")["dataset"]["classes"] == ["normal", "opaque"]
