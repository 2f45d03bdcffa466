"""Which images train, validate and test: declared splits kept, the rest drawn, stratified, whole patients together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from xzoo.data.drawing import ordered_subset, take
from xzoo.data.items import SPLITS
from xzoo.errors import DataError, UsageError

Indices = NDArray[np.int64]

TEST_SHARE = 0.2
VAL_SHARE = 0.2
TEST_SEED = 0
YOURS = "yours"
_REMEDY = "write declared, 0.7,0.3 (train, validation), 0.6,0.2,0.2 (with test), pool or pool:0.6,0.2,0.2"


@dataclass(frozen=True)
class SplitRule:
    """How to split: shares of train, validation and perhaps test; `pool` redraws what is declared.

    Without `seed` the cell's own is used. `train_size` keeps that many training images, smaller ones within larger ones.
    """

    fractions: tuple[float, ...] = ()
    pool: bool = False
    seed: int | None = None
    train_size: int | None = None

    def __post_init__(self) -> None:
        wrong = [share for share in self.fractions if not (math.isfinite(share) and share > 0)]
        if wrong or (self.fractions and abs(sum(self.fractions) - 1) > 1e-6):
            raise UsageError(f"shares {_written(self.fractions)} do not split anything", "give shares above 0 that sum to 1")
        if self.fractions and len(self.fractions) not in ({3} if self.pool else {2, 3}):
            raise UsageError(f"{len(self.fractions)} shares {_written(self.fractions)} are not understood", _REMEDY)
        if self.train_size is not None and self.train_size < 1:
            raise UsageError(f"train size {self.train_size} is no size", "give a number of images, from 1")


@dataclass(frozen=True, eq=False)
class Split:
    """Places of the images of each split, in ascending order, and where each came from: `yours`, or `drawn, seed 0`."""

    train: Indices
    val: Indices
    test: Indices
    origin: Mapping[str, str]


def parse(text: str) -> SplitRule:
    """Return the rule that words such as `0.7,0.3` or `pool` name. Raises UsageError."""
    word, _, shares = text.strip().partition(":")
    if text.strip() in {"", "declared"}:
        return SplitRule()
    pool = word == "pool"
    numbers = shares if pool else text
    try:
        fractions = tuple(float(share) for share in numbers.replace("/", ",").split(",")) if numbers else ()
    except ValueError:
        raise UsageError(f"split {text!r} is not understood", _REMEDY) from None
    return SplitRule(fractions=fractions, pool=pool)


def read(stored: Mapping[str, Any]) -> SplitRule:
    """Return the rule that a cell keeps as plain values."""
    return msgspec.convert(stored, SplitRule)


def describe(rule: SplitRule) -> str:
    """Return the rule in words that `parse` reads, its seed and train size behind them in brackets."""
    shares = _written(rule.fractions)
    words = ("pool:" + shares if shares else "pool") if rule.pool else shares or "declared"
    extra = [f"seed {rule.seed}"] if rule.seed is not None else []
    extra += [f"train size {rule.train_size}"] if rule.train_size is not None else []
    return f"{words} ({', '.join(extra)})" if extra else words


def first_line(split: Split) -> str:
    """Return sizes and origins on one line: `train 1600, val 400 (drawn, seed 0), test 400 (yours)`."""
    told = []
    for place, name in enumerate(SPLITS):
        size, origin = f"{name} {len(getattr(split, name))}", split.origin[name]
        following = split.origin[SPLITS[place + 1]] if place + 1 < len(SPLITS) else None
        told.append(size if following == origin else f"{size} ({origin})")
    return ", ".join(told)


def fingerprint(split: Split, groups_N: Sequence[str | None]) -> str:
    """Return a hash of which images lie in each split and of what is known of their patients."""
    places = [getattr(split, name).tolist() for name in SPLITS]
    return hashlib.sha256(msgspec.json.encode([places, groups_N])).hexdigest()[:16]


def draw(
    labels_N: NDArray[np.int64],
    splits_N: Sequence[str | None],
    groups_N: Sequence[str | None],
    rule: SplitRule,
    seed: int,
    *,
    classes: Sequence[str] = (),
) -> Split:
    """Split a dataset, the same way for the same rule and seed. `classes` name the labels in errors.

    Declared splits are kept. Validation is 20% of train where none is declared; test 20%, drawn with seed 0 whatever the cell's
    seed. Every drawn part holds every class, and no group lies on two sides of a drawn boundary. Raises DataError, UsageError.
    """
    seed = seed if rule.seed is None else rule.seed
    drawing = _Drawing(labels_N, groups_N, seed, tuple(classes))
    declared = {name: np.flatnonzero([split == name for split in splits_N]) for name in SPLITS}
    # Images without a split belong to train, where others name theirs.
    declared["train"] = np.flatnonzero([split in {"train", None} for split in splits_N])
    split = _pooled(drawing, declared, rule) if rule.pool else _kept(drawing, declared, rule)
    return split if rule.train_size is None else _reduced(drawing, split, rule.train_size)


@dataclass(frozen=True, eq=False)
class _Drawing:
    labels_N: NDArray[np.int64]
    groups_N: Sequence[str | None]
    seed: int
    classes: tuple[str, ...]

    def take(self, pool: Indices, share: float, purpose: str, seed: int | None = None) -> tuple[Indices, Indices]:
        words = f"{purpose} {self.seed if seed is None else seed}"
        return take(self.labels_N, self.groups_N, pool, share, words, self.classes)


def _kept(drawing: _Drawing, declared: Mapping[str, Indices], rule: SplitRule) -> Split:
    drawn = f"drawn, seed {drawing.seed}"
    train, val, test = (declared[name] for name in SPLITS)
    origin = dict.fromkeys(SPLITS, YOURS)
    shares = rule.fractions
    if len(test) and len(shares) == 3:
        raise UsageError(f"a declared test split is never redrawn, and {_written(shares)} would", "use pool, or two shares")
    if shares:
        train, val = np.sort(np.concatenate([train, val])), val[:0]
    if not len(test):
        test, train = drawing.take(train, shares[2] if len(shares) == 3 else TEST_SHARE, "test", TEST_SEED)
        origin["test"] = origin["train"] = f"drawn, seed {TEST_SEED}"
    if not len(val):
        share = shares[1] / (shares[0] + shares[1]) if shares else VAL_SHARE
        val, train = drawing.take(train, share, "val")
        origin["val"] = origin["train"] = drawn
    return Split(train, val, test, origin)


def _pooled(drawing: _Drawing, declared: Mapping[str, Indices], rule: SplitRule) -> Split:
    if rule.fractions:
        train_share, val_share, test_share = rule.fractions
    else:
        same = _kept(drawing, declared, SplitRule())
        train_share, val_share, test_share = (len(getattr(same, name)) for name in SPLITS)
    rest = np.arange(len(drawing.labels_N))
    test, rest = drawing.take(rest, test_share / (train_share + val_share + test_share), "pooled test")
    val, train = drawing.take(rest, val_share / (train_share + val_share), "pooled val")
    return Split(train, val, test, dict.fromkeys(SPLITS, f"pooled, drawn, seed {drawing.seed}"))


def _reduced(drawing: _Drawing, split: Split, size: int) -> Split:
    num_classes = len(np.unique(drawing.labels_N[split.train]))
    if size > len(split.train):
        raise DataError(f"train size {size} is more than the {len(split.train)} training images", "give a smaller one, or all")
    if size < num_classes:
        raise DataError(f"train size {size} is less than the {num_classes} classes", "give at least one image for each class")
    order = ordered_subset(drawing.labels_N[split.train], f"train size {drawing.seed}")
    kept = np.sort(split.train[order[:size]])
    words = f"{size} of {len(split.train)}, {split.origin['train']}"
    return Split(kept, split.val, split.test, {**split.origin, "train": words})


def _written(fractions: Sequence[float]) -> str:
    return ",".join(f"{share:g}" for share in fractions)
