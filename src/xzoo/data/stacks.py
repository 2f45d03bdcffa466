"""Arrays of images, from memory, .npz or per-class .npy files: checked once, read one image at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.data.decode import deep_range, to_uint8
from xzoo.data.items import Decoded
from xzoo.errors import DataError
from xzoo.runs.result import Finding

_SCAN_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class Stacks:
    """Stacks of images (N,H,W) or (N,H,W,3), read as if they were one."""

    stacks: tuple[NDArray[Any], ...]

    def decode(self, index: int) -> Decoded:
        """Return the pixels as uint8 (floats scaled), or uint16 as they are."""
        image = self._image(index)
        if image.dtype.kind == "f":
            image = np.rint(image.astype(np.float64) * 255).astype(np.uint8)
        return Decoded(image)

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return uint8 pixels; 16 bits are scaled by the range of all stacks together."""
        return to_uint8(self.decode(index).pixels, self._deep_range)

    def digest(self, index: int) -> str:
        """Return the sha256 of the image's type, shape and bytes."""
        image = np.ascontiguousarray(self._image(index))
        return hashlib.sha256(f"{image.dtype.str}{image.shape}".encode() + image.tobytes()).hexdigest()

    def findings(self) -> tuple[Finding, ...]:
        """Return what was converted."""
        num_floats = sum(len(stack) for stack in self.stacks if stack.dtype.kind == "f")
        return (Finding("float", "info", f"floats in [0, 1] scaled to 0-255: {num_floats} images"),) if num_floats else ()

    def _image(self, index: int) -> NDArray[Any]:
        place = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[place]) - len(self.stacks[place])
        image: NDArray[Any] = self.stacks[place][index - start]
        return image

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum([len(stack) for stack in self.stacks])

    @cached_property
    def _deep_range(self) -> int:
        return deep_range(max((int(stack.max()) for stack in self.stacks if stack.dtype == np.uint16), default=0))


def images_in(array: NDArray[Any], where: str, *, channels_first: bool = False) -> NDArray[Any]:
    """Return a stack as (N,H,W) or (N,H,W,3), checked. Channels come first where said, or where only that fits.

    Raises DataError naming `where` for other shapes, other types than uint8, uint16 and float, and floats outside [0, 1].
    """
    remedy = "give (N,H,W), (N,H,W,1) or (N,H,W,3) of uint8, uint16 or floats in [0, 1]"
    if array.ndim not in {3, 4} or 0 in array.shape[1:]:
        raise DataError(f"{where} has shape {array.shape}, which is no stack of images", remedy)
    if array.ndim == 4:
        array = _channels_last(array, channels_first)
        if array.shape[-1] not in {1, 3}:
            raise DataError(f"{where} has shape {array.shape}, with neither 1 nor 3 channels", remedy)
        array = array[..., 0] if array.shape[-1] == 1 else array
    if array.dtype.kind != "f" and array.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{where} holds {array.dtype}", remedy)
    array = (
        array.astype(np.uint16) if array.dtype.kind == "u" and array.dtype.itemsize == 2 and not array.dtype.isnative else array
    )
    if array.dtype.kind == "f":
        _check_floats(array, where)
    return array


def whole_numbers(labels: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Return labels (N,) or (N,1) as integers. Raises DataError for other shapes and for what is no whole number."""
    flat = flattened(labels, where)
    if flat.dtype.kind not in "iubf" or (flat.dtype.kind == "f" and not _are_whole(flat)):
        raise DataError(f"{where} holds {flat.dtype} that are no whole numbers", "number the classes from 0, or give their names")
    return flat.astype(np.int64)


def flattened(labels: NDArray[Any], where: str) -> NDArray[Any]:
    """Return (N,) for labels of (N,) or (N,1). Raises DataError, for (N,K) saying that multi-label is not built."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 2:
        raise DataError(
            f"{where} has shape {labels.shape}: multi-label is not built",
            "give one class for each image; one-hot rows become that by argmax(axis=1)",
        )
    if labels.ndim != 1:
        raise DataError(f"{where} has shape {labels.shape}", "give one label for each image: (N,) or (N,1)")
    return labels


def check_lengths(lengths: Sequence[tuple[str, int]], where: str) -> None:
    """Refuse arrays that belong together and differ in length. Raises DataError naming all of them."""
    if len({length for _, length in lengths}) > 1:
        told = ", ".join(f"{length} {name}" for name, length in lengths)
        raise DataError(f"{where} holds {told}", "give as many of each")


def words(labels: NDArray[Any], where: str) -> NDArray[np.str_]:
    """Return labels (N,) or (N,1) of text or bytes as text. Raises DataError for other shapes and for bytes that are no UTF-8."""
    try:
        texts = np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels
    except UnicodeDecodeError as error:
        raise DataError(f"{where} holds bytes that are no UTF-8: {error.reason}", "save names of classes as text") from error
    return flattened(texts, where).astype(np.str_)


def _are_whole(numbers: NDArray[Any]) -> bool:
    # Beyond 2^53 floats skip whole numbers.
    return bool((np.isfinite(numbers) & (abs(numbers) <= 2.0**53) & (numbers == np.rint(numbers))).all())


def _channels_last(array: NDArray[Any], channels_first: bool) -> NDArray[Any]:
    fits_first, fits_last = array.shape[1] in {1, 3}, array.shape[-1] in {1, 3}
    return np.moveaxis(array, 1, -1) if fits_first and (channels_first or not fits_last) else array


def _check_floats(array: NDArray[Any], where: str) -> None:
    low, high = np.inf, -np.inf
    step = max(1, _SCAN_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        part = array[start : start + step]
        if not np.isfinite(part).all():
            raise DataError(f"{where} holds NaN or infinite values", "replace them before comparing")
        low, high = min(low, float(part.min())), max(high, float(part.max()))
    if low < 0 or high > 1:
        raise DataError(f"{where} holds floats from {low:g} to {high:g}", "scale them to [0, 1], or give uint8 or uint16")
