"""How the classes are spread over each split, and how well a figure measured on it can be known.

N = images, K = classes
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from xzoo.data.items import counted
from xzoo.statistics.power import detectable_difference

REFERENCE = 0.75
"""The share of right answers at which precision is told: where figures of small test splits tend to lie."""

DISAGREEMENTS = (0.1, 0.3)
"""The shares of images on which one of two contenders alone is right, for which it is told what differences would be found."""

NAMES = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Detectable:
    """The least `difference` in accuracy that one seed of two contenders shows in four of five tries, at a level of 0.05.

    `disagreement` is the share of images that one of them alone gets right, and at least the difference. None where even
    contenders that differ on every image would not be told apart.
    """

    disagreement: float
    difference: float | None


@dataclass(frozen=True)
class SplitSize:
    """Images of a split by class, `patients` where groups are known, and half the width of 95% intervals at a share of 0.75.

    `accuracy_within` is that of accuracy, `recall_within` that of each class's recall. `words` say it, with what is `detectable`
    between contenders but for train, on which none are compared.
    """

    images: int
    patients: int | None
    classes: Mapping[str, int]
    majority: float
    accuracy_within: float
    recall_within: Mapping[str, float | None]
    words: str
    detectable: tuple[Detectable, ...] = ()


def sized(split: str, labels_N: NDArray[np.int64], groups_N: Sequence[str | None], classes: Sequence[str]) -> SplitSize:
    """Return what can be known on a split of these images. Raises ValueError where there is none."""
    counts_K = np.bincount(labels_N, minlength=len(classes))
    patients = len({group if group is not None else place for place, group in enumerate(groups_N)}) if any(groups_N) else None
    recall_within = {
        name: half_width(int(count)) if count else None for name, count in zip(classes, counts_K.tolist(), strict=True)
    }
    return SplitSize(
        images=len(labels_N),
        patients=patients,
        classes=dict(zip(classes, counts_K.tolist(), strict=True)),
        majority=float(counts_K.max() / len(labels_N)),
        accuracy_within=half_width(len(labels_N)),
        recall_within=recall_within,
        words=_words(split, counts_K, patients, classes),
        detectable=detectable(len(labels_N)),
    )


def detectable(num: int) -> tuple[Detectable, ...]:
    """Return what the exact McNemar test on `num` images finds, for each of `DISAGREEMENTS`."""
    found = []
    for disagreement in DISAGREEMENTS:
        least = detectable_difference(num, disagreement)
        found.append(Detectable(max(disagreement, least or 0.0), least))
    return tuple(found)


def half_width(num: int, share: float = REFERENCE, level: float = 0.95) -> float:
    """Return half the width of Wilson's interval for a share of `num` images. Raises ValueError for none."""
    if num < 1:
        raise ValueError(f"a share of {num} images")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    return z * math.sqrt(share * (1 - share) / num + z * z / (4 * num * num)) / (1 + z * z / num)


def _words(split: str, counts_K: NDArray[np.int64], patients: int | None, classes: Sequence[str]) -> str:
    num = int(counts_K.sum())
    told = f"{counted(num, f'{NAMES[split]} image')}: an accuracy near 75% is known to ±{_points(half_width(num))} points"
    smallest = int(counts_K.argmin())
    fewest = int(counts_K[smallest])
    told += f", the recall of {classes[smallest]} ({fewest}) to ±{_points(half_width(fewest))}" if fewest else ""
    told += "" if split == "train" else f"; {_told_apart(num)}"
    if patients is not None and patients < num:
        told += f"; they are of {counted(patients, 'patient')}, so at worst to ±{_points(half_width(patients))}"
        told += "" if split == "train" else f", and {_told_apart(patients)}"
    return told


def _told_apart(num: int) -> str:
    """Return from which difference on contenders are told apart; at best, where more than so many disagreements are needed."""
    found = [(one, one.difference) for one in detectable(num) if one.difference is not None]
    if not found:
        return "no two contenders are ever told apart"
    ends = [
        f"{100 * least:.2g} points on where they disagree on {one.disagreement:.0%}"
        for one, least in found
        if least < one.disagreement
    ]
    told = ", from ".join(ends) or f"{100 * found[0][1]:.2g} points on at best"
    return f"two contenders are told apart, four times in five, from {told}"


def _points(width: float) -> str:
    return f"{100 * width:.0f}" if width >= 0.02 else f"{100 * width:.1f}"
