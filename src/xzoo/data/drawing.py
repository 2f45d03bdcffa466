"""Random draws that are pure functions of a few words: a stratified share, whole groups, an order whose starts are stratified."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xzoo.errors import DataError

Indices = NDArray[np.int64]

_NUM_ATTEMPTS = 20


def generator(words: str) -> np.random.Generator:
    """Return a generator seeded by the sha256 of the words, so that it is the same in every process."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(f"xzoo {words}".encode()).digest()[:16], "big")))


def take(
    labels_N: NDArray[np.int64],
    groups_N: Sequence[str | None],
    pool: Indices,
    share: float,
    words: str,
    classes: Sequence[str] = (),
) -> tuple[Indices, Indices]:
    """Return a stratified share of `pool` and the rest, both ascending; whole groups where any is known.

    Raises DataError where a class cannot lie on both sides.
    """
    labels = labels_N[pool]
    present, counts = np.unique(labels, return_counts=True)
    if few := [_name(classes, label) for label, count in zip(present, counts, strict=True) if count < 2]:
        raise DataError(
            f"too few images to draw a split: class {few[0]} has one left where each side of it needs one",
            "add images of that class, declare the splits, or take the class out",
        )
    groups = [groups_N[place] for place in pool]
    if any(group is not None for group in groups):
        chosen = _whole_groups(labels, groups, share, words, classes)
    else:
        chosen = _stratified(labels, present, counts, share, generator(words))
    return pool[chosen], pool[~chosen]


def ordered_subset(labels_N: NDArray[np.int64], words: str) -> Indices:
    """Return an order of the images whose every start is stratified: one image of each class, then all classes at one pace."""
    random = generator(words)
    pace_N = np.empty(len(labels_N))
    for label in np.unique(labels_N):
        members = random.permutation(np.flatnonzero(labels_N == label))
        pace_N[members] = (np.arange(len(members)) + 0.5) / len(members)
        pace_N[members[0]] = 0
    return np.lexsort((random.permutation(len(labels_N)), pace_N))


def _stratified(
    labels: NDArray[np.int64], present: NDArray[np.int64], counts: NDArray[np.int64], share: float, random: np.random.Generator
) -> NDArray[np.bool_]:
    chosen = np.zeros(len(labels), dtype=bool)
    for label, size in zip(present, _sizes(counts, share), strict=True):
        chosen[random.permutation(np.flatnonzero(labels == label))[:size]] = True
    return chosen


def _sizes(counts: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    # Largest remainders: the total is the rounded share of all, and each class is within one of its own share.
    exact = counts * share
    sizes = np.floor(exact).astype(np.int64)
    missing = round(counts.sum() * share) - int(sizes.sum())
    sizes[np.argsort(sizes - exact, kind="stable")[: max(0, missing)]] += 1
    clipped: NDArray[np.int64] = np.clip(sizes, 1, counts - 1)
    return clipped


def _whole_groups(
    labels: NDArray[np.int64], groups: Sequence[str | None], share: float, words: str, classes: Sequence[str]
) -> NDArray[np.bool_]:
    # An image without a group is a group of its own.
    names = [f"g{group}" if group is not None else f"i{place}" for place, group in enumerate(groups)]
    _, group_of = np.unique(names, return_inverse=True)
    present, class_of = np.unique(labels, return_inverse=True)
    counts_GK = np.zeros((group_of.max() + 1, len(present)), dtype=np.int64)
    np.add.at(counts_GK, (group_of, class_of), 1)
    for label, num_groups in zip(present, (counts_GK > 0).sum(axis=0), strict=True):
        if num_groups < 2:
            raise DataError(
                f"too few groups to draw a split: class {_name(classes, label)} comes from a single group (patient)",
                "add images of another patient, or declare the splits",
            )
    for attempt in range(_NUM_ATTEMPTS):
        taken_G = _greedy(counts_GK, share, generator(f"{words} groups {attempt}"))
        held = counts_GK[taken_G].sum(axis=0)
        if (held > 0).all() and (held < counts_GK.sum(axis=0)).all():
            return taken_G[group_of]
    raise DataError(
        "no draw of whole groups (patients) leaves every class on both sides of the split",
        "add images of other patients, declare the splits, or do without --group",
    )


def _greedy(counts_GK: NDArray[np.int64], share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    # A group is taken where that brings the classes' shares nearer to the share asked for (squared distance).
    total_K = counts_GK.sum(axis=0)
    lacking_K = np.full(len(total_K), share)
    taken_G = np.zeros(len(counts_GK), dtype=bool)
    for group in random.permutation(len(counts_GK)):
        after_K = lacking_K - counts_GK[group] / total_K
        if (after_K**2).sum() < (lacking_K**2).sum():
            lacking_K, taken_G[group] = after_K, True
    return taken_G


def _name(classes: Sequence[str], label: int) -> str:
    return classes[label] if label < len(classes) else f"number {label}"
