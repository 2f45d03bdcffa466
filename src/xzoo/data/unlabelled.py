"""Image files without labels, read as a pack and its view would hold them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xzoo.data.decode import UnreadableImageError, decode, deep_range, quietly, to_uint8
from xzoo.data.folder import Walk
from xzoo.data.items import counted, listed
from xzoo.data.packing import compact, each
from xzoo.data.resize import check_resize, fitted
from xzoo.errors import DataError

_REMEDY = "give image files, or folders of them"


@dataclass(frozen=True)
class Fit:
    """What a network takes, as `make_view` takes it. `white` is the 16-bit value that its training data took for 255."""

    size: tuple[int, int]
    num_channels: int
    interpolation: str
    resize: int | None = None
    white: int | None = None

    def __post_init__(self) -> None:
        check_resize(self.size, self.interpolation, self.resize)

    def read(self, path: Path) -> NDArray[np.uint8]:
        """Return (C,H,W) of one file. Raises UnreadableImageError."""
        pixels = compact(decode(path, str(path))).pixels
        if pixels.dtype == np.uint16:
            largest = int(pixels.max())
            if self.white is not None and largest > self.white:
                raise UnreadableImageError(str(path), f"it has values up to {largest}, and white was {self.white} in training")
            pixels = to_uint8(pixels, self.white or deep_range(largest))
        return fitted(pixels.reshape(*pixels.shape[:2], -1), self.size, self.num_channels, self.interpolation, self.resize)


def find_images(paths: Iterable[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """Return the files that are named and those with an image's suffix in the folders, at any depth, each once.

    Raises DataError naming every path that is not there and every folder without images.
    """
    files: list[Path] = []
    faults: list[str] = []
    for path in (Path(os.path.expanduser(path)) for path in paths):  # noqa: PTH111 - a user that nobody knows stays as written
        try:
            found = _inside(path) if path.is_dir() else [path] if path.exists() else []
            fault = "" if found else f"{path} holds no images" if path.is_dir() else f"{path} does not exist"
        except (OSError, ValueError) as error:
            found, fault = [], f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        files += found
        faults += [fault] if fault else []
    if faults:
        raise DataError(listed(faults), _REMEDY)
    if not files:
        raise DataError("no images are named", _REMEDY)
    return tuple(dict.fromkeys(files))


def read_batches(files: Sequence[Path], fit: Fit, batch_size: int) -> Iterator[tuple[Sequence[Path], NDArray[np.uint8]]]:
    """Yield files with their pixels (B,C,H,W). Raises DataError naming every file that cannot be read, after having tried all."""
    bad: list[UnreadableImageError] = []
    batch: list[tuple[Path, NDArray[np.uint8]]] = []
    with quietly():
        for file, pixels in zip(files, each(lambda place: _read(fit, files[place]), len(files)), strict=True):
            if isinstance(pixels, UnreadableImageError):
                bad.append(pixels)
            elif not bad:
                batch.append((file, pixels))
            if len(batch) == batch_size and not bad:
                yield [path for path, _ in batch], np.stack([image for _, image in batch])
                batch = []
    if bad:
        told = listed([f"{error.name} ({error.reason})" for error in bad], most=20)
        raise DataError(f"{len(bad)} of {counted(len(files), 'image')} cannot be read: {told}", "replace them, or leave them out")
    if batch:
        yield [path for path, _ in batch], np.stack([image for _, image in batch])


def _inside(folder: Path) -> list[Path]:
    walk = Walk()
    found = list(walk.files(folder, folder))
    walk.check_links(folder)
    return found


def _read(fit: Fit, path: Path) -> NDArray[np.uint8] | UnreadableImageError:
    try:
        return fit.read(path)
    except UnreadableImageError as error:
        return error
    except OSError as error:
        return UnreadableImageError(str(path), error.strerror or str(error))
