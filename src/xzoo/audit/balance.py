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

REFERENCE = 0.75
"""The share of right answers at which precision is told: where figures of small test splits tend to lie."""

NAMES = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class SplitSize:
    """Images of a split by class, `patients` where groups are known, and half the width of 95% intervals at a share of 0.75.

    `accuracy_within` is that of accuracy, `recall_within` that of each class's recall. `words` say it.
    """

    images: int
    patients: int | None
    classes: Mapping[str, int]
    majority: float
    accuracy_within: float
    recall_within: Mapping[str, float | None]
    words: str


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
    )


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
    if patients is not None and patients < num:
        told += f"; they are of {counted(patients, 'patient')}, so at worst to ±{_points(half_width(patients))}"
    return told


def _points(width: float) -> str:
    return f"{100 * width:.0f}" if width >= 0.02 else f"{100 * width:.1f}"
