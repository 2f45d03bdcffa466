"""The built-in demo data: drawn chest X-rays whose difficulties are set by dials, so that causes are known."""

# N = images, H, W = pixels

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xzoo.data.items import SPLITS, Item, Source
from xzoo.data.radiograph import chest, detect, opacities
from xzoo.errors import UsageError

CLASSES = ("normal", "pneumonia")
VERSION = 1
"""Raised whenever the same dials give other pictures."""

_LIMITS = {
    "train": (2, 100_000), "val": (0, 100_000), "test": (0, 100_000), "size": (32, 1024), "seed": (0, 2**31 - 1),
    "signal": (0, 2), "shift": (0, 1), "leakage": (0, 1), "noise": (0, 1), "balance": (0, 1),
}  # fmt: skip
_ANATOMY, _GRAIN, _LABEL, _LEAK, _FLIP = range(5)


@dataclass(frozen=True)
class Dials:
    """What the drawn images are like: `train`, `val` and `test` count images, `size` is the side in pixels.

    `signal` scales the opacities of pneumonia (0: the classes cannot be told apart), `shift` the change of appearance of the
    test split alone, `leakage` is the share of test images that are near copies of train images, `noise` the share of wrong
    labels in train and val, `balance` the share of pneumonia in every split. Raises UsageError outside the limits.
    """

    train: int = 128
    val: int = 64
    test: int = 128
    size: int = 128
    seed: int = 0
    signal: float = 1.0
    shift: float = 0.0
    leakage: float = 0.0
    noise: float = 0.0
    balance: float = 0.5

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"phantom: {name}={getattr(self, name)} is out of range", f"choose {name} from {low} to {high}")


def parse(text: str) -> Dials:
    """Return the dials that a text such as `shift=0.5,size=64` sets; the others keep their defaults. Raises UsageError."""
    kinds = {field.name: int if field.type == "int" else float for field in dataclasses.fields(Dials)}
    values: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in kinds:
            close = difflib.get_close_matches(name, kinds, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"phantom has no dial {name!r}", f"{meant}its dials are {', '.join(kinds)}")
        try:
            values[name] = kinds[name](value)
        except ValueError:
            number = "a whole number" if kinds[name] is int else "a number"
            raise UsageError(f"phantom: {part!r} cannot be read", f"write {name}= with {number} behind it") from None
    return Dials(**values)  # type: ignore[arg-type]


def draw(dials: Dials) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.str_], NDArray[np.str_]]:
    """Return all images (N,H,W), their labels as given (N), splits (N) and ids (N); train comes first, test last."""
    roll = _roll(dials)
    images = np.stack([picture(dials, index) for index in range(len(roll))])
    labels = np.array([entry.label for entry in roll], np.int64)
    return images, labels, np.array([entry.split for entry in roll]), np.array([entry.id for entry in roll])


def source(text: str) -> Source:
    """Return the phantom that `text` (see `parse`) sets as a source of images; each is drawn when read. Raises UsageError."""
    dials = parse(text)
    items = tuple(Item(entry.id, entry.label, entry.split, None) for entry in _roll(dials))
    fingerprint = hashlib.sha256(f"phantom/{VERSION} {dials}".encode()).hexdigest()
    return Source("phantom", CLASSES, items, functools.partial(picture, dials), fingerprint, ())


def picture(dials: Dials, index: int) -> NDArray[np.uint8]:
    """Draw image `index` (H,W), a pure function of its arguments: anatomy, opacities, then the detector."""
    entry = _roll(dials)[index]
    rng = _uniform(dials, _ANATOMY, *entry.anatomy)
    image_HW, lungs_HW = chest(rng, dials.size)
    # The opacities are drawn for both classes, so that a class without them uses the same random numbers.
    shade_HW = opacities(rng, dials.size) * lungs_HW
    image_HW = image_HW + shade_HW * dials.signal * entry.shows
    grain = _uniform(dials, _GRAIN, SPLITS.index(entry.split), index)
    shift = dials.shift if entry.split == "test" else 0.0
    return detect(image_HW, rng, grain, shift)


@dataclass(frozen=True)
class _Entry:
    id: str
    split: str
    label: int
    shows: int
    anatomy: tuple[int, int]


@functools.lru_cache(maxsize=8)
def _roll(dials: Dials) -> tuple[_Entry, ...]:
    shown = [_chosen(dials, _LABEL, part, dials.balance) for part in range(len(SPLITS))]
    twins = [np.flatnonzero(shown[0] == label) for label in range(len(CLASSES))]
    entries = []
    for part, split in enumerate(SPLITS):
        wrong = _chosen(dials, _FLIP, part, dials.noise if split != "test" else 0)
        leaked = _chosen(dials, _LEAK, part, dials.leakage if split == "test" else 0)
        for place, shows in enumerate(shown[part].tolist()):
            label, originals = shows ^ int(wrong[place]), twins[shows]
            copies = bool(leaked[place]) and len(originals) > 0
            anatomy = (0, int(originals[place % len(originals)])) if copies else (part, place)
            entries.append(_Entry(f"{split}/{CLASSES[label]}/{place:04d}", split, label, shows, anatomy))
    return tuple(entries)


def _chosen(dials: Dials, purpose: int, part: int, share: float) -> NDArray[np.int64]:
    """Return 1 for the chosen images of a split and 0 for the others; exactly the share, rounded, is chosen."""
    count: int = getattr(dials, SPLITS[part])
    chosen = np.zeros(count, np.int64)
    order = np.argsort(_uniform(dials, purpose, part, 0).random(count), kind="stable")
    chosen[order[: int(count * share + 0.5)]] = 1
    return chosen


def _uniform(dials: Dials, purpose: int, part: int, place: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([dials.seed, purpose, part, place])))
