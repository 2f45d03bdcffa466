"""Datasets whose trouble is known, because it was put there: phantoms and real chest X-rays, clean or with one cause planted.

Every plant changes one thing and marks what it changed. None of it looks at how `xzoo explain` decides.
N = images, H, W = pixels.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

import xzoo
from near_copies import CHANGES
from xzoo.data.phantom import CLASSES, Dials, draw
from xzoo.data.source import Arrays

SIDE = 112
"""Pixels of a picture's side: X-rays are halved, phantoms drawn so."""

COPIED, FLIPPED = 0.05, 0.1
Images = NDArray[np.uint8]
Random = np.random.Generator


@dataclass(frozen=True)
class Sizes:
    """How many images train, validate and test; both classes have half of each."""

    train: int
    val: int
    test: int


@dataclass(frozen=True, eq=False)
class Data:
    """Images (N,H,W) with labels, splits and patients, and which of them a plant has touched."""

    images_NHW: Images
    labels_N: NDArray[np.int64]
    splits_N: NDArray[np.str_]
    groups_N: tuple[str | None, ...]
    touched_N: NDArray[np.bool_]

    def given(self) -> Arrays:
        """Return what is given to xzoo."""
        return xzoo.arrays(
            self.images_NHW, self.labels_N, splits=self.splits_N, groups=list(self.groups_N), classes=list(CLASSES)
        )

    def places(self, split: str) -> NDArray[np.int64]:
        """Return the places of a split's images."""
        return np.flatnonzero(self.splits_N == split)


def phantoms(seed: int, sizes: Sizes, signal: float, **dials: float) -> Data:
    """Draw phantoms. `dials` are further ones: `shift`, or `leakage`, test images that expose a training image's chest again."""
    made = Dials(sizes.train, sizes.val, sizes.test, SIDE, seed, signal, **dials)
    images_NHW, labels_N, splits_N, _ = draw(made)
    return Data(images_NHW, labels_N, splits_N, (None,) * len(labels_N), np.zeros(len(labels_N), bool))


@dataclass(frozen=True, eq=False)
class Pool:
    """All real images at half their size, their labels, and the patients that their names tell."""

    images_NHW: Images
    labels_N: NDArray[np.int64]
    patients_N: NDArray[np.str_]


@functools.cache
def pool() -> Pool:
    """Read the chest X-rays that XZOO_REAL names, both of their folders together; equal files count as one patient's."""
    files = sorted((Path(os.environ["XZOO_REAL"]) / "data" / "cxr").glob("*/*/*.jpeg"))
    images = [np.asarray(Image.open(file).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)) for file in files]
    labels_N = np.array([CLASSES.index(file.parent.name) for file in files])
    first: dict[str, str] = {}
    patients = [first.setdefault(hashlib.sha256(file.read_bytes()).hexdigest(), patient(file.name)) for file in files]
    return Pool(np.stack(images), labels_N, np.array(patients))


def patient(name: str) -> str:
    """Return the patient that a file's name tells: `person12` of person12_virus_34.jpeg, `IM-0033` of IM-0033-0001.jpeg."""
    found = re.match(r"person\d+|(?:NORMAL2-)?IM-\d+", name)
    return found.group() if found else name


def radiographs(seed: int, sizes: Sizes) -> Data:
    """Draw splits from the pooled X-rays, as many of each class, no patient in two; images in excess of a size stay out.

    The splits that the data set declares are shifted against each other, so they are not kept.
    """
    known, rng = pool(), np.random.default_rng(seed)
    wanted = {"test": sizes.test, "val": sizes.val, "train": sizes.train}
    chosen = []
    for label in range(len(CLASSES)):
        order = in_whole_patients(known.patients_N, np.flatnonzero(known.labels_N == label), rng)
        for split, size in wanted.items():
            cut = ends_a_patient(known.patients_N, order, size // 2)
            chosen += [(place, split) for place in order[: size // 2].tolist()]
            order = order[cut:]
    places = np.array([place for place, _ in sorted(chosen)])
    splits_N = np.array([split for _, split in sorted(chosen)])
    groups = tuple(known.patients_N[places].tolist())
    return Data(known.images_NHW[places], known.labels_N[places], splits_N, groups, np.zeros(len(places), bool))


def in_whole_patients(patients_N: NDArray[np.str_], places: NDArray[np.int64], rng: Random) -> NDArray[np.int64]:
    """Return places in a drawn order that keeps a patient's images together."""
    _, patient_of = np.unique(patients_N[places], return_inverse=True)
    rank = rng.permutation(int(patient_of.max()) + 1)[patient_of]
    return np.asarray(places[np.lexsort((rng.permutation(len(places)), rank))])


def ends_a_patient(patients_N: NDArray[np.str_], order: NDArray[np.int64], size: int) -> int:
    """Return the first place from `size` on at which another patient begins. Raises ValueError where too few images are left."""
    if size > len(order):
        raise ValueError(f"{size} images are asked of {len(order)}")
    while 0 < size < len(order) and patients_N[order[size]] == patients_N[order[size - 1]]:
        size += 1
    return size


def leaked(data: Data, rng: Random) -> Data:
    """Put copies of training images in the place of 5% of the test images: equal ones, and each change of `near_copies.py`."""
    test, train = data.places("test"), data.places("train")
    chosen = rng.permutation(test)[: round(COPIED * len(test))]
    changes: list[Callable[[Image.Image], Image.Image]] = [lambda image: image, *CHANGES.values()]
    images_NHW, groups = data.images_NHW.copy(), list(data.groups_N)
    originals = {label: rng.permutation(train[data.labels_N[train] == label]) for label in range(len(CLASSES))}
    for rank, place in enumerate(chosen):
        original = originals[int(data.labels_N[place])][rank]
        copy = changes[rank % len(changes)](Image.fromarray(data.images_NHW[original]))
        images_NHW[place], groups[place] = np.asarray(copy.convert("L").resize((SIDE, SIDE))), None
    return replace(data, images_NHW=images_NHW, groups_N=tuple(groups), touched_N=marked(data, chosen))


def mislabelled(data: Data, rng: Random) -> Data:
    """Give 10% of the training and of the validation images the other label; those of test stay right."""
    wrong = np.concatenate(
        [rng.permutation(places)[: round(FLIPPED * len(places))] for places in map(data.places, ("train", "val"))]
    )
    labels_N = data.labels_N.copy()
    labels_N[wrong] = 1 - labels_N[wrong]
    return replace(data, labels_N=labels_N, touched_N=marked(data, wrong))


def changed_looks(data: Data, kind: str, strength: float) -> Data:
    """Change how every test image looks, by a kind of `LOOKS` at a strength."""
    test = data.places("test")
    images_NHW = data.images_NHW.copy()
    images_NHW[test] = [LOOKS[kind](image_HW, strength) for image_HW in data.images_NHW[test]]
    return replace(data, images_NHW=images_NHW, touched_N=marked(data, test))


def marked(data: Data, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the places as marks (N,)."""
    touched_N = np.zeros(len(data.labels_N), bool)
    touched_N[places] = True
    return touched_N


def _rounded(values: NDArray[Any]) -> Images:
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)


def _gamma(image_HW: Images, strength: float) -> Images:
    return _rounded(255 * (image_HW / 255) ** (1 + strength))


def _contrast(image_HW: Images, strength: float) -> Images:
    return _rounded(image_HW.mean() + (image_HW - image_HW.mean()) * (1 - strength))


def _brightness(image_HW: Images, strength: float) -> Images:
    return _rounded(image_HW * (1 + strength))


def _blur(image_HW: Images, strength: float) -> Images:
    return np.asarray(Image.fromarray(image_HW).filter(ImageFilter.GaussianBlur(strength)))


LOOKS: Mapping[str, Callable[[Images, float], Images]] = {
    "gamma": _gamma, "contrast": _contrast, "brightness": _brightness, "blur": _blur,
}  # fmt: skip
MOST = {"gamma": 1.5, "contrast": 0.9, "brightness": 0.8, "blur": 6.0, "dial": 1.0}
"""The strongest change that calibration tries, by kind; `dial` is the phantoms' own `shift`."""
