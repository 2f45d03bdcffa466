"""Datasets kept as numpy files: one .npz with splits, or a folder with one .npy stack for each class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from xzoo.data.folder import Walk, split_folders
from xzoo.data.items import SPLITS, Found, Item, listed, natural, printable
from xzoo.data.npy_file import load, opened
from xzoo.data.stacks import Stacks, check_lengths, images_in, whole_numbers, words
from xzoo.errors import DataError

_LAYOUT = "name arrays train_images, train_labels, val_images, ... as MedMNIST does, or images and labels"


def read_npz(path: Path) -> Found:
    """Read a .npz file laid out like MedMNIST's, or holding `images` and `labels`. Raises DataError."""
    with opened(path) as held:
        pairs: list[tuple[str, str | None]] = [(f"{split}_", split) for split in SPLITS if f"{split}_images" in held]
        if "images" in held:
            pairs.append(("", None))
        if not pairs:
            raise DataError(f"{path} holds {listed(list(held)) or 'nothing'}", _LAYOUT)
        stacks, values = zip(*(_pair(path, held, prefix) for prefix, _ in pairs), strict=True)
    distinct = natural({str(value) for labels in values for value in labels.tolist()})
    label_of = {name: label for label, name in enumerate(distinct)}
    items = tuple(
        Item(f"{split or 'images'}#{place}", label_of[str(value)], split)
        for (_, split), labels in zip(pairs, values, strict=True)
        for place, value in enumerate(labels.tolist())
    )
    stacked = Stacks(tuple(stacks))
    classes = tuple(map(printable, distinct))
    return Found(printable(path.stem), classes, items, stacked.read, stacked.decode, stacked.digest, stacked.findings(), _LAYOUT)


def holds_stacks(root: Path) -> bool:
    """Whether a folder, or its train folder, holds .npy files."""
    return any(
        path.suffix.lower() == ".npy" and not path.name.startswith(".")
        for folder in (root, *split_folders(_folders(root)).values())
        for path in folder.iterdir()
    )


def read_stack_folder(root: Path) -> Found:
    """Read `class.npy` or `train|val|test/class.npy`, each (N,H,W) or (N,H,W,C). Raises DataError."""
    walk = Walk()
    splits: dict[str | None, Path] = dict(split_folders(walk.folders(root, root)).items()) or {None: root}
    files = [
        (split, path) for split, folder in splits.items() for path in walk.files(root, folder, {".npy"}) if path.parent == folder
    ]
    walk.check_links(root)
    classes = natural({path.stem for _, path in files})
    label_of = {name: label for label, name in enumerate(classes)}
    stacks = [images_in(load(path), str(path)) for _, path in files]
    items = tuple(
        Item(f"{path.relative_to(root).as_posix()}#{place}", label_of[path.stem], split)
        for (split, path), stack in zip(files, stacks, strict=True)
        for place in range(len(stack))
    )
    stacked = Stacks(tuple(stacks))
    repairs = (*walk.findings(), *stacked.findings())
    hint = "each class is one .npy file of images (N,H,W) or (N,H,W,C)"
    return Found(
        printable(root.resolve().name),
        tuple(map(printable, classes)),
        items,
        stacked.read,
        stacked.decode,
        stacked.digest,
        repairs,
        hint,
    )


def _pair(path: Path, held: Mapping[str, NDArray[Any]], prefix: str) -> tuple[NDArray[Any], NDArray[Any]]:
    names = f"{prefix}images", f"{prefix}labels"
    if names[1] not in held:
        raise DataError(f"{path} holds {names[0]} and no {names[1]}", _LAYOUT)
    images = images_in(held[names[0]], f"{path}: {names[0]}")
    given, where = held[names[1]], f"{path}: {names[1]}"
    labels = words(given, where) if given.dtype.kind in "US" else whole_numbers(given, where)
    check_lengths([(names[0], len(images)), (names[1], len(labels))], str(path))
    return images, labels


def _folders(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
