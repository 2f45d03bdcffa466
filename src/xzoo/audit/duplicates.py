"""Which images of a dataset are one picture: equal bytes, equal pixels, or copies that were changed a little.

N = images, H, W = pixels, D = dimensions
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xzoo.audit import sketches
from xzoo.audit.alignment import layers, match
from xzoo.audit.buckets import alike

Indices = NDArray[np.int64]

LEAST_ALIKE = 0.85
"""Cosine of two codes in some form from which the pictures themselves are compared. Radiographs of different patients reached it
in one of 100,000 pairs; copies that were cropped by 3% lay above 0.9 in one of the forms."""

DIMENSIONS = 64
"""Of the codes that are searched: the components of most variance, which small changes move least."""

_MOST_LAYERS = 256


@dataclass(frozen=True)
class Pair:
    """Two images, by their places, that show one picture. `kind` is `bytes`, `pixels` or `near`; exact copies measure 1."""

    one: int
    other: int
    kind: str
    detail: float = 1.0
    likeness: float = 1.0


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Pairs of copies, and of each image (N) which picture it shows: the place of the first image that shows it.

    Of exact copies each is paired with the first alone. `num_compared` counts the pairs that were laid over each other.
    """

    pairs: tuple[Pair, ...]
    pictures_N: Indices
    num_compared: int

    @property
    def is_copied(self) -> NDArray[np.bool_]:
        """Whether each image (N) shows a picture that another image shows too."""
        return np.bincount(self.pictures_N, minlength=len(self.pictures_N))[self.pictures_N] > 1


def find(
    pixels: Sequence[str], files: Sequence[str], sketches_NHW: NDArray[np.uint8], picture: Callable[[int], Image.Image]
) -> Duplicates:
    """Find all copies. `pixels` and `files` are digests of each image's pixels and bytes, the latter empty where unknown.

    `picture(i)` gives an image in gray, and is asked of those alone whose sketches are alike.
    """
    exact = tuple(equal(pixels, files))
    first = np.ones(len(pixels), bool)
    first[[pair.other for pair in exact]] = False
    firsts = np.flatnonzero(first)
    near, num_compared = changed(firsts, sketches_NHW if first.all() else sketches_NHW[firsts], picture)
    pairs = tuple(sorted((*exact, *near), key=lambda pair: (pair.one, pair.other)))
    return Duplicates(pairs, joined(len(pixels), pairs), num_compared)


def equal(pixels: Sequence[str], files: Sequence[str]) -> Iterable[Pair]:
    """Yield each image whose pixels an earlier one has, with the first such."""
    earlier: dict[str, int] = {}
    for place, digest in enumerate(pixels):
        first = earlier.setdefault(digest, place)
        if first != place:
            same_file = bool(files) and bool(files[place]) and files[place] == files[first]
            yield Pair(first, place, "bytes" if same_file else "pixels")


def changed(places: Indices, sketches_NHW: NDArray[np.uint8], picture: Callable[[int], Image.Image]) -> tuple[list[Pair], int]:
    """Return the pairs of changed copies among images at these places, whose sketches are given, and how many were compared."""
    if len(places) < 2:
        return [], 0
    basis = sketches.fit(sketches_NHW)
    forms = [
        np.concatenate([basis.codes(sketches.parts(block, box), DIMENSIONS) for block in sketches.blocks(sketches_NHW)])
        for box in sketches.CROPS
    ]
    ones, others, _ = alike(forms[0], forms[1:], LEAST_ALIKE)
    layered = lru_cache(_MOST_LAYERS)(lambda place: layers(picture(place)))
    found = []
    for one, other in zip(places[ones].tolist(), places[others].tolist(), strict=True):
        matched = match(layered(one), layered(other), basis)
        if matched.is_one_picture:
            found.append(Pair(one, other, "near", matched.detail, matched.likeness))
    return found, len(ones)


def joined(num_images: int, pairs: Iterable[Pair]) -> Indices:
    """Return of each image (N) the first place that is connected to it by pairs, itself where there is none."""
    first = list(range(num_images))

    def root(place: int) -> int:
        while first[place] != place:
            first[place] = first[first[place]]
            place = first[place]
        return place

    for pair in pairs:
        low, high = sorted((root(pair.one), root(pair.other)))
        first[high] = low
    return np.array([root(place) for place in range(num_images)], np.int64)


def conflicts(pictures_N: Indices, labels_N: Indices) -> tuple[tuple[int, ...], ...]:
    """Return the places of all images of each picture that bears several labels."""
    shown: dict[int, list[int]] = defaultdict(list)
    for place, picture in enumerate(pictures_N.tolist()):
        shown[picture].append(place)
    return tuple(tuple(places) for places in shown.values() if len({int(labels_N[place]) for place in places}) > 1)
