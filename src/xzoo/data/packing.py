"""Writes a pack's files: pixels one after the other, and the index that says where each image lies."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from xzoo import durable
from xzoo.data.decode import (
    LONGEST_SHORT_SIDE,
    NOTES,
    UnreadableImageError,
    UnreadableImagesError,
    deep_range,
    quietly,
    to_uint8,
)
from xzoo.data.items import Decoded, Source, counted, listed
from xzoo.data.resize import is_gray, reduced
from xzoo.runs.result import Finding

INDEX = "index.json"
PIXELS = "pixels.bin"
_DEEP = "deep.bin"
_T = TypeVar("_T")


@dataclass
class Progress:
    """What has been written so far; `deep` holds place and shape of the 16-bit images that wait for their scale."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    bad: list[UnreadableImageError] = field(default_factory=list)
    deep: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    largest: int = 0
    num_bytes: int = 0


def write_pack(source: Source, folder: Path, stays: Callable[[], bool]) -> None:
    """Decode every image once and write pixels and index, unless by then a pack stands there that `stays`.

    Raises UnreadableImagesError naming all that fail, StorageError.
    """
    with durable.new_folder(folder, stays) as temporary:
        progress = Progress()
        with durable.fill_file(temporary / PIXELS) as pixels, durable.fill_file(temporary / _DEEP) as deep, quietly():
            for image in each(lambda index: _decode(source, index), len(source.items)):
                _append(progress, image, pixels, deep)
            _check_readable(source, progress.bad)
            _scale_deep(progress, pixels, deep)
        durable.remove(temporary / _DEEP)
        index = {
            "schema": "xzoo.pack/1",
            "name": source.name,
            "classes": source.classes,
            "shapes": progress.shapes,
            "white": deep_range(progress.largest) if progress.deep else None,
            "items": [dataclasses.asdict(item) for item in source.items],
            "repairs": [dataclasses.asdict(finding) for finding in _findings(progress)],
        }
        durable.fill_bytes(temporary / INDEX, json.dumps(index).encode())


def each(work: Callable[[int], _T], count: int) -> Iterator[_T]:
    """Yield work(0), work(1), ... computed by as many threads as there are cores, few images ahead of the reader."""
    num_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(num_threads) as pool:
        places = iter(range(count))
        waiting = deque(pool.submit(work, place) for place in itertools.islice(places, 4 * num_threads))
        try:
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(work, place) for place in itertools.islice(places, 1))
                yield done
        finally:
            for future in waiting:
                future.cancel()


def decoded(source: Source, index: int) -> NDArray[Any]:
    """Return one image as a pack keeps it, before 16 bits are scaled. Raises UnreadableImagesError."""
    with quietly():
        image = _decode(source, index)
    if isinstance(image, UnreadableImageError):
        _check_readable(source, [image])
        raise image
    return image.pixels


def _decode(source: Source, index: int) -> Decoded | UnreadableImageError:
    try:
        return compact(source.decode(index) if source.decode else Decoded(source.read(index)))
    except UnreadableImageError as error:
        return error
    except OSError as error:  # else new_folder would take a failing read for a failing write
        return UnreadableImageError(source.items[index].id, error.strerror or str(error))


def compact(image: Decoded) -> Decoded:
    """Return an image as a pack keeps it: three equal channels as one, its shorter side at most 512 pixels."""
    pixels, notes = image.pixels, list(image.notes)
    if pixels.ndim == 3 and is_gray(pixels):
        pixels = pixels[..., 0]
        notes.append("gray")
    smaller = reduced(pixels, LONGEST_SHORT_SIDE)
    return Decoded(smaller, (*notes, *(("reduced",) if smaller is not pixels else ())))


def _append(progress: Progress, image: Decoded | UnreadableImageError, pixels: IO[bytes], deep: IO[bytes]) -> None:
    if isinstance(image, UnreadableImageError):
        progress.bad.append(image)
        return
    shape = image.pixels.shape if image.pixels.ndim == 3 else (*image.pixels.shape, 1)
    values = np.ascontiguousarray(image.pixels)
    if values.dtype == np.uint16:
        progress.deep.append((progress.num_bytes, shape))
        progress.largest = max(progress.largest, int(values.max()))
        deep.write(values.data)
        pixels.seek(values.size, os.SEEK_CUR)
    else:
        pixels.write(values.data)
    progress.shapes.append(shape)
    progress.notes.update(image.notes)
    progress.num_bytes += values.size


def _scale_deep(progress: Progress, pixels: IO[bytes], deep: IO[bytes]) -> None:
    full = deep_range(progress.largest)
    deep.seek(0)
    for place, shape in progress.deep:
        size = int(np.prod(shape))
        values: NDArray[Any] = np.frombuffer(deep.read(2 * size), np.uint16)
        pixels.seek(place)
        pixels.write(to_uint8(values, full).data)


def _check_readable(source: Source, bad: list[UnreadableImageError]) -> None:
    if not bad:
        return
    told = listed([f"{error.name} ({error.reason})" for error in bad])
    raise UnreadableImagesError(
        f"{source.name}: {len(bad)} of {counted(len(source.items), 'image')} cannot be read: {told}",
        "replace these files or take them out of the dataset",
        tuple(bad),
    )


def _findings(progress: Progress) -> list[Finding]:
    counts = progress.notes
    found = [Finding(note, "info", f"{NOTES[note]}: {counted(counts[note], 'image')}") for note in NOTES if counts[note]]
    if progress.deep:
        full, largest = deep_range(progress.largest), progress.largest
        text = f"16 bits scaled so that {full} is white (largest value {largest}): {counted(len(progress.deep), 'image')}"
        found.append(Finding("bit-depth", "info", text))
    return found
