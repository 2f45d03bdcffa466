"""Datasets that are already in memory: numpy arrays and torch tensors. Torch is recognised, never imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.data.items import Found, Item, listed, natural, split_named
from xzoo.data.stacks import Stacks, check_lengths, flattened, images_in, whole_numbers
from xzoo.errors import DataError


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images (N,H,W) or (N,H,W,3), checked, with the place of each one's class, and its split and group where known."""

    images: NDArray[Any]
    labels_N: NDArray[np.int64]
    classes: tuple[str, ...]
    splits_N: tuple[str | None, ...]
    groups_N: tuple[str | None, ...]


def arrays(
    images: object,
    labels: object,
    *,
    groups: object = None,
    splits: object = None,
    classes: Sequence[str] | None = None,
) -> Arrays:
    """Return arrays as a dataset: images (N,H,W) or (N,H,W,C), or (N,C,H,W) for a tensor; uint8, uint16 or floats in [0, 1].

    Labels are (N,) or (N,1), whole numbers or names. With `classes`, whole numbers are places in it; without, each distinct
    value is a class. `groups` are patients, `splits` train, val or test. Raises DataError.
    """
    stack = images_in(_to_numpy(images), "images", channels_first=_is_tensor(images))
    values = flattened(_to_numpy(labels), "labels")
    lengths = [("images", len(stack)), ("labels", len(values))]
    groups_N, splits_N = _words(groups, len(stack)), _words(splits, len(stack))
    check_lengths([*lengths, ("groups", len(groups_N)), ("splits", len(splits_N))], "the dataset")
    labels_N, names = _labelled(values, classes)
    declared = tuple(None if split is None else split_named(split, "splits") for split in splits_N)
    return Arrays(stack, labels_N, names, declared, groups_N)


def read_arrays(data: Arrays) -> Found:
    """Return the dataset with each image's place in the stack as its id."""
    stacks = Stacks((data.images,))
    items = tuple(
        Item(str(place), int(label), split, group)
        for place, (label, split, group) in enumerate(zip(data.labels_N, data.splits_N, data.groups_N, strict=True))
    )
    return Found("arrays", data.classes, items, stacks.read, stacks.decode, stacks.digest, stacks.findings())


def _labelled(values: NDArray[Any], classes: Sequence[str] | None) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    if values.dtype.kind in "USO":
        words = [str(value) for value in values]
        names = tuple(natural(set(words)) if classes is None else classes)
        if unknown := natural(set(words) - set(names)):
            raise DataError(f"labels name {listed(unknown)}, which are no classes", f"classes are {listed(names)}")
        return np.array([names.index(word) for word in words], dtype=np.int64), names
    numbers = whole_numbers(values, "labels")
    if classes is None:
        distinct, places = np.unique(numbers, return_inverse=True)
        return places.astype(np.int64), tuple(str(number) for number in distinct)
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= len(classes)):
        raise DataError(f"labels range from {numbers.min()} to {numbers.max()}", f"{len(classes)} classes are numbered from 0")
    return numbers, tuple(classes)


def _words(values: object, length: int) -> tuple[str | None, ...]:
    if values is None:
        return (None,) * length
    given = values if isinstance(values, (list, tuple)) else flattened(_to_numpy(values), "groups or splits").tolist()
    return tuple(None if value is None else str(value) for value in given)


def _is_tensor(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "torch"


def _to_numpy(value: Any) -> NDArray[Any]:
    if _is_tensor(value):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value
        return np.asarray(value.numpy())
    try:
        return np.asarray(value)
    except ValueError as error:
        raise DataError(f"arrays are ragged: {error}", "give images of one size, or a folder of files") from error
