"""Datasets that cannot be used, through the whole command line: one screen that names the file, and nothing half-written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Refused = Callable[..., None]
Draw = Callable[..., Path]
LINE = "compare convgap --epochs 1 --seeds 1 --freeze frozen --set size=16 --data photos"


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def link(path: Path, to: Path) -> None:
    path.symlink_to(to)


def nested(photos: Path, draw: Draw) -> None:
    draw(photos / "inner")


def deep_and_empty(photos: Path, draw: Draw) -> None:
    (photos / "a" / "b" / "c").mkdir(parents=True)
    (photos / "x" / "y").mkdir(parents=True)


def loose(photos: Path, draw: Draw) -> None:
    draw(photos, classes="a")
    for path in list((photos / "a").iterdir()):
        path.rename(photos / path.name)
    (photos / "a").rmdir()


def empty_class(photos: Path, draw: Draw) -> None:
    (draw(photos) / "c").mkdir()


def no_train(photos: Path, draw: Draw) -> None:
    draw(photos / "val")
    draw(photos / "test")


def val_twice(photos: Path, draw: Draw) -> None:
    for name in ("train", "val", "validation"):
        draw(photos / name)


def strange_test(photos: Path, draw: Draw) -> None:
    draw(photos / "train")
    draw(photos / "test", classes="abc")


def dicom(photos: Path, draw: Draw) -> None:
    for name in ("a/1.dcm", "a/2.dcm", "b/1.dcm", "b/2.dcm"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(b"DICM")


FOLDERS: list[tuple[Callable[[Path, Draw], Any], list[str]]] = [
    (lambda photos, draw: photos.mkdir(), ["photos holds no images", "photos/CLASS/IMAGE"]),
    (lambda photos, draw: draw(photos, classes="a"), ["photos holds one class alone: a", "2 classes"]),
    (lambda photos, draw: draw(photos, classes="a", each=1), ["one class alone: a", "2 classes of 2 images"]),
    (lambda photos, draw: draw(photos, each=1), ["a single image of a, b"]),
    (lambda photos, draw: draw(photos, each=2), ["too few images to draw a split", "class a", "add images"]),
    (nested, ["one class alone: inner", "give photos/inner"]),
    (deep_and_empty, ["photos holds no images"]),
    (loose, ["4 images lie in photos itself", "folder of its own"]),
    (empty_class, ["no images in c", "remove the folder"]),
    (no_train, ["declares test, val and no train", "add a folder called train"]),
    (lambda photos, draw: draw(photos / "val"), ["declares val and no train"]),
    (val_twice, ["validation and val both name val", "keep one"]),
    (strange_test, ["test holds c, which train lacks", "the same classes"]),
    (dicom, ["does not read DICOM", "4 files ending in .dcm"]),
]


@pytest.mark.parametrize(("build", "says"), FOLDERS, ids=[says[0] for _, says in FOLDERS])
def test_folders_that_hold_no_dataset_are_refused(
    refused: Refused, place: Path, images: Draw, build: Callable[[Path, Draw], Any], says: list[str]
) -> None:
    build(place / "photos", images)
    refused(LINE, 2, *says)


def not_a_number(path: Path) -> None:
    Image.fromarray(np.full((16, 16), np.nan, np.float32)).save(path)


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path)


def cut_jpeg(path: Path) -> None:
    Image.fromarray(noise(64, 64)).save(path)
    cut(path, 900)


IMAGES: list[tuple[str, Callable[[Path], Any], str]] = [
    ("zero.png", lambda path: path.write_bytes(b""), "it has no bytes"),
    ("0.png", lambda path: cut(path, 150), "truncated"),
    ("cut.jpg", cut_jpeg, "truncated"),
    ("text.png", lambda path: path.write_text("hello"), "none of PNG"),
    ("page.jpg", lambda path: path.write_text("<html>"), "none of PNG"),
    ("nan.tif", not_a_number, "NaN"),
    ("bomb.png", bomb, "suspiciously large"),
    ("circle.png", lambda path: link(path, path), "Too many levels of symbolic links"),
    ("dangling.png", lambda path: link(path, path.with_name("gone.png")), "No such file"),
    ("two\nlines\x1b[31m.png", lambda path: path.write_bytes(b""), r"two\nlines\x1b[31m.png"),
    (os.fsdecode(b"\xff\xfe.png"), lambda path: path.write_bytes(b""), r"\udcff\udcfe.png"),
    ("l" * 240 + ".png", lambda path: path.write_bytes(b""), "lll...lll"),
]


@pytest.mark.parametrize(("name", "make", "reason"), IMAGES, ids=[ascii(name[:20]) for name, _, _ in IMAGES])
def test_images_that_cannot_be_read_are_named(
    refused: Refused, place: Path, images: Draw, name: str, make: Callable[[Path], Any], reason: str
) -> None:
    make(images(place / "photos") / "a" / name)
    shown = [f"a/{name}"] if name.isprintable() and len(name) < 200 else []
    refused(LINE, 2, *shown, reason, "images cannot be read", "replace these files or take them out")


def cut_stack(path: Path) -> None:
    np.save(path, noise(4, 8, 8))
    cut(path, 200)


STACKS: list[tuple[str, Callable[[Path], Any], list[str]]] = [
    ("objects", lambda path: np.save(path, np.array([1, "x"], dtype=object), allow_pickle=True), ["Python objects", "pickling"]),
    ("nan", lambda path: np.save(path, np.full((4, 8, 8), np.nan)), ["NaN", "replace them"]),
    ("floats to 255", lambda path: np.save(path, noise(4, 8, 8) / 1.0), ["floats from 0 to 25", "scale them to [0, 1]"]),
    ("whole numbers", lambda path: np.save(path, noise(4, 8, 8).astype(int)), ["int64", "uint8, uint16"]),
    ("two axes", lambda path: np.save(path, noise(8, 8)), ["shape (8, 8)", "(N,H,W)"]),
    ("five channels", lambda path: np.save(path, noise(4, 8, 8, 5)), ["neither 1 nor 3 channels"]),
    ("no image", lambda path: np.save(path, noise(0, 8, 8)), ["no images of a"]),
    ("no bytes", lambda path: path.write_bytes(b""), ["cannot be read", "save the file again"]),
    ("cut", cut_stack, ["cannot be read", "save the file again"]),
]


@pytest.mark.parametrize(("make", "says"), [case[1:] for case in STACKS], ids=[case[0] for case in STACKS])
def test_stacks_that_cannot_be_used_are_named(
    refused: Refused, place: Path, make: Callable[[Path], Any], says: list[str]
) -> None:
    (place / "photos").mkdir()
    np.save(place / "photos" / "b.npy", noise(4, 8, 8))
    make(place / "photos" / "a.npy")
    refused(LINE, 2, "a.npy" if says != ["no images of a"] else "photos", *says)


ARCHIVES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing", {}, ["holds nothing", "train_images"]),
    ("other names", {"x": noise(8, 8, 8), "y": np.arange(8) % 2}, ["holds x, y", "or images and labels"]),
    ("images alone", {"images": noise(8, 8, 8)}, ["holds images and no labels"]),
    ("labels alone", {"labels": np.arange(8) % 2}, ["holds labels"]),
    ("too few labels", {"images": noise(8, 8, 8), "labels": np.arange(5) % 2}, ["8 images, 5 labels", "as many of each"]),
    ("halves", {"images": noise(8, 8, 8), "labels": np.arange(8) % 2 + 0.5}, ["no whole numbers", "number the classes"]),
    ("NaN labels", {"images": noise(8, 8, 8), "labels": np.full(8, np.nan)}, ["no whole numbers"]),
    ("multi-hot", {"images": noise(8, 8, 8), "labels": np.ones((8, 2), int)}, ["multi-label is not built", "argmax"]),
    ("object labels", {"images": noise(8, 8, 8), "labels": np.array(["a", 1] * 4, dtype=object)}, ["Python objects"]),
    ("one class", {"images": noise(8, 8, 8), "labels": np.zeros(8, int)}, ["one class alone: 0"]),
    ("a class each", {"images": noise(8, 8, 8), "labels": np.arange(8)}, ["single image of 0, 1, 2, 3, 4 and 3 more"]),
    ("no train", {"val_images": noise(8, 8, 8), "val_labels": np.arange(8) % 2}, ["no training images", "call a split train"]),
]


@pytest.mark.parametrize(("held", "says"), [case[1:] for case in ARCHIVES], ids=[case[0] for case in ARCHIVES])
def test_archives_that_cannot_be_used_are_named(refused: Refused, place: Path, held: dict[str, Any], says: list[str]) -> None:
    np.savez(place / "photos.npz", **held)
    refused(f"{LINE}.npz", 2, "photos", *says)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and no more"])
def test_archives_that_are_none_are_named(refused: Refused, place: Path, content: bytes) -> None:
    (place / "photos.npz").write_bytes(content)
    refused(f"{LINE}.npz", 2, "photos.npz")
