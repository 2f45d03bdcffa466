"""The values a dataset is made of: items, the source that reads them, and what a reader of files or arrays hands over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.errors import DataError
from xzoo.runs.result import Finding
from xzoo.zoo.wording import plain

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Item:
    """One image: `label` is its place in the classes, `split` what the dataset declares, `group` its patient where known."""

    id: str
    label: int
    split: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Decoded:
    """Pixels (H,W) or (H,W,3) of one image, uint8 or uint16, with the names of the conversions that were needed."""

    pixels: NDArray[Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset that can be read image by image.

    `read(i)` returns uint8 pixels (H,W) or (H,W,3). `decode(i)`, where given, returns them before 16 bits are scaled, so that
    the scale can be one for the whole dataset. `digests` are the sha256 of each image's bytes. `fingerprint` is the sha256 over
    ids, labels, splits, groups and digests.
    """

    name: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    read: Callable[[int], NDArray[np.uint8]]
    fingerprint: str
    repairs: tuple[Finding, ...] = ()
    decode: Callable[[int], Decoded] | None = None
    digests: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """What a reader found, before groups are read from ids and anything is checked or hashed."""

    name: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    read: Callable[[int], NDArray[np.uint8]]
    decode: Callable[[int], Decoded]
    digest: Callable[[int], str]
    repairs: tuple[Finding, ...] = ()
    hint: str = ""


def natural(names: Iterable[str]) -> list[str]:
    """Sort names so that numbers in them count as numbers: 2 comes before 10."""
    return sorted(names, key=lambda name: ([_part(part) for part in re.split(r"(\d+)", name)], name))


def split_named(text: str, where: str) -> str:
    """Return train, val or test for a word such as `Validation`. Raises DataError naming `where`."""
    try:
        return SPLIT_NAMES[text.strip().lower()]
    except KeyError:
        raise DataError(f"{where}: split {text!r} is unknown", f"use {', '.join(SPLITS)}") from None


def listed(names: Sequence[object], most: int = 5) -> str:
    """Return the first names, comma-separated, and how many more there are."""
    shown = ", ".join(_shortened(printable(str(name))) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def printable(name: str) -> str:
    """Return a file's name with line breaks, escape sequences and bytes that are no text written out, as in `a\\nb`."""
    return plain(name, keep="")


def counted(count: int, noun: str) -> str:
    """Return the count with its noun: `1 image`, `2 images`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"


def _shortened(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 2 :]}"


def _part(text: str) -> tuple[int, int, str]:
    # By length and then by digit, because int() refuses more than 4300 of them.
    digits = text.lstrip("0")
    return (0, len(digits), digits) if text.isdigit() and text.isascii() else (1, 0, text)
