"""What a checkpoint says of its tensors before one of them is read: types, shapes, and where they lie. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

DTYPES = {
    "Float": ("float32", 4),
    "Double": ("float64", 8),
    "Half": ("float16", 2),
    "BFloat16": ("bfloat16", 2),
    "Long": ("int64", 8),
    "Int": ("int32", 4),
    "Short": ("int16", 2),
    "Char": ("int8", 1),
    "Byte": ("uint8", 1),
    "Bool": ("bool", 1),
}
"""The types that tensors of networks have: torch's name of their storage, to their own name and bytes."""

MOST_DIMENSIONS = 64
"""As many as torch's tensors may have."""


class RefusedError(Exception):
    """Why a file is not read, as the rest of a sentence that begins with the file, and what to do."""

    def __init__(self, what: str, remedy: str = "copy or fetch it again") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True)
class Storage:
    """The numbers that tensors are views of."""

    key: str
    kind: str
    numel: int

    @property
    def num_bytes(self) -> int:
        """Return how much of the file it takes."""
        return self.numel * DTYPES[self.kind][1]


@dataclass(frozen=True)
class Described:
    """A tensor as a checkpoint tells of it."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def described(storage: object, offset: object, shape: object, stride: object) -> Described:
    """Return a tensor whose places lie in its storage, no two of them the same. Raises RefusedError."""
    if not isinstance(storage, Storage):
        raise RefusedError("holds a tensor without values")
    if not (is_count(offset) and is_counts(shape) and is_counts(stride) and len(shape) == len(stride) <= MOST_DIMENSIONS):
        raise RefusedError("holds a tensor whose shape is none")
    tensor = Described(storage, offset, tuple(shape), tuple(stride))
    if 0 not in tensor.shape:
        _refuse_places(tensor)
    return tensor


def _refuse_places(tensor: Described) -> None:
    # Where each dimension steps over all that the smaller ones reach, no two indices meet.
    reach = 1
    for step, size in sorted((step, size) for step, size in zip(tensor.stride, tensor.shape, strict=True) if size > 1):
        if step < reach:
            raise RefusedError("holds a tensor in which several values share one place")
        reach += (size - 1) * step
    if tensor.offset + reach > tensor.storage.numel:
        shape = "x".join(str(size) for size in tensor.shape)[:60] or "scalar"
        raise RefusedError(f"holds a tensor that reaches out of its storage ({shape} in {tensor.storage.numel:,} values)")


def one_size_each(storages: Iterable[Storage]) -> dict[str, int]:
    """Return the bytes of each storage by its key. Raises RefusedError where two tensors differ about one."""
    sizes: dict[str, int] = {}
    for storage in storages:
        if sizes.setdefault(storage.key, storage.num_bytes) != storage.num_bytes:
            raise RefusedError("says two sizes of one storage")
    return sizes


def is_count(value: object) -> TypeGuard[int]:
    """Whether it is a whole number that torch can count to."""
    return type(value) is int and 0 <= value < 1 << 62


def is_counts(value: object) -> TypeGuard[tuple[int, ...]]:
    """Whether all of a tuple are such numbers, and their product is."""
    return isinstance(value, tuple) and all(is_count(one) for one in value) and is_count(math.prod(value))
