"""Writes a pack's files: pixels one after the other, in shards, and the index that says where each image lies."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from xzoo import durable
from xzoo.data import parts, shards
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
from xzoo.data.shards import name_of
from xzoo.runs.result import Finding

INDEX = "index.json"
SHAPES = "shapes.bin"
"""Height, width and channels of every image, int32."""

SCHEMA = "xzoo.pack/2"
_SCALED = "scaled.bin"
_T = TypeVar("_T")


@dataclass
class Shard:
    """What lies in one file, its images in their order. Those in `deep`, by their places in it, still have 16 bits.

    `largest` is their largest value, `num_bytes` what the file holds once they have 8.
    """

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    deep: list[int] = field(default_factory=list)
    largest: int = 0
    num_bytes: int = 0

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Shard:
        """Return the shard that `dataclasses.asdict` told of."""
        return cls(**{**facts, "shapes": [tuple(shape) for shape in facts["shapes"]], "notes": Counter(facts["notes"])})


def write_pack(source: Source, folder: Path, stays: Callable[[], bool]) -> int:
    """Decode every image once, write pixels and index, unless by then a pack stands there that `stays`; return the decodes.

    Shards that an interrupted call left whole are not decoded again. Raises UnreadableImagesError naming all that fail,
    StorageError.
    """
    with durable.new_folder(folder, stays) as temporary:
        made = [Shard.of(facts) for facts in parts.taken(folder, temporary)]
        num_kept = sum(len(shard.shapes) for shard in made)
        rest = each(lambda index: _decode(source, index), range(num_kept, len(source.items)))
        bad: list[UnreadableImageError] = []
        with quietly(), contextlib.closing(rest):
            for shard in _cut(_readable(rest, bad), temporary, len(made)):
                made.append(shard)
                if not bad and sum(len(one.shapes) for one in made) < len(source.items):
                    parts.keep(folder, temporary, len(made) - 1, dataclasses.asdict(shard))
        _check_readable(source, bad)
        _scale_deep(made, temporary)
        _write_index(source, made, temporary)
    parts.forget(folder)
    return len(source.items) - num_kept


def each(work: Callable[[int], _T], places: int | range) -> Generator[_T]:
    """Yield work(place) of each place, or of 0 up to a count, by as many threads as there are cores, few ahead of the reader."""
    num_threads = os.cpu_count() or 1
    with ThreadPoolExecutor(num_threads) as pool:
        coming = iter(range(places) if isinstance(places, int) else places)
        waiting = deque(pool.submit(work, place) for place in itertools.islice(coming, 4 * num_threads))
        try:
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(work, place) for place in itertools.islice(coming, 1))
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


def compact(image: Decoded) -> Decoded:
    """Return an image as a pack keeps it: three equal channels as one, its shorter side at most 512 pixels."""
    pixels, notes = image.pixels, list(image.notes)
    if pixels.ndim == 3 and is_gray(pixels):
        pixels = pixels[..., 0]
        notes.append("gray")
    smaller = reduced(pixels, LONGEST_SHORT_SIDE)
    return Decoded(smaller, (*notes, *(("reduced",) if smaller is not pixels else ())))


def _decode(source: Source, index: int) -> Decoded | UnreadableImageError:
    try:
        return compact(source.decode(index) if source.decode else Decoded(source.read(index)))
    except UnreadableImageError as error:
        return error
    except OSError as error:  # else new_folder would take a failing read for a failing write
        return UnreadableImageError(source.items[index].id, error.strerror or str(error))


def _readable(images: Iterable[Decoded | UnreadableImageError], bad: list[UnreadableImageError]) -> Iterator[Decoded]:
    """Yield the images that could be decoded, and gather the others."""
    for image in images:
        if isinstance(image, UnreadableImageError):
            bad.append(image)
        else:
            yield image


def _cut(images: Iterator[Decoded], folder: Path, number: int) -> Iterator[Shard]:
    """Write images into shards, numbered on, and yield each when its file is closed."""
    waiting = next(images, None)
    while waiting is not None:
        shard = Shard()
        with durable.fill_file(folder / name_of(number)) as file:
            while waiting is not None and (not shard.shapes or shard.num_bytes + waiting.pixels.size <= shards.SHARD_BYTES):
                file.write(_noted(waiting, shard).data)
                waiting = next(images, None)
        yield shard
        number += 1


def _noted(image: Decoded, shard: Shard) -> NDArray[Any]:
    """Return an image's values as they lie in a file, and note what the shard holds with it."""
    values = np.ascontiguousarray(image.pixels)
    if values.dtype == np.uint16:
        shard.deep.append(len(shard.shapes))
        shard.largest = max(shard.largest, int(values.max()))
    shard.shapes.append(values.shape if values.ndim == 3 else (*values.shape, 1))
    shard.notes.update(image.notes)
    shard.num_bytes += values.size
    return values


def _scale_deep(made: list[Shard], folder: Path) -> None:
    """Bring 16 bits to 8, by the range of all images together. What a part shares with a file stays as it is."""
    full = deep_range(max((shard.largest for shard in made), default=0))
    for number, shard in enumerate(made):
        if shard.deep:
            deep, path = set(shard.deep), folder / name_of(number)
            with path.open("rb") as raw, durable.fill_file(folder / _SCALED, shard.num_bytes) as file:
                for place, shape in enumerate(shard.shapes):
                    kind = np.uint16 if place in deep else np.uint8
                    values: NDArray[Any] = np.frombuffer(raw.read(int(np.prod(shape)) * np.dtype(kind).itemsize), kind)
                    file.write(to_uint8(values, full).data if place in deep else values.data)
            durable.put_in_place(folder / _SCALED, path)


def _write_index(source: Source, made: list[Shard], folder: Path) -> None:
    is_deep = any(shard.deep for shard in made)
    index = {
        "schema": SCHEMA,
        "name": source.name,
        "classes": source.classes,
        "images": len(source.items),
        "shards": [shard.num_bytes for shard in made],
        "white": deep_range(max(shard.largest for shard in made)) if is_deep else None,
        "repairs": [dataclasses.asdict(finding) for finding in _findings(made)],
    }
    shapes_N3 = np.array([shape for shard in made for shape in shard.shapes], dtype="<i4")
    durable.fill_bytes(folder / SHAPES, shapes_N3.tobytes())
    durable.fill_bytes(folder / INDEX, json.dumps(index).encode())


def _check_readable(source: Source, bad: list[UnreadableImageError]) -> None:
    if not bad:
        return
    told = listed([f"{error.name} ({error.reason})" for error in bad])
    raise UnreadableImagesError(
        f"{source.name}: {len(bad)} of {counted(len(source.items), 'image')} cannot be read: {told}",
        "replace these files or take them out of the dataset",
        tuple(bad),
    )


def _findings(made: list[Shard]) -> list[Finding]:
    counts: Counter[str] = sum((shard.notes for shard in made), Counter())
    found = [Finding(note, "info", f"{NOTES[note]}: {counted(counts[note], 'image')}") for note in NOTES if counts[note]]
    if num_deep := sum(len(shard.deep) for shard in made):
        largest = max(shard.largest for shard in made)
        text = f"16 bits scaled so that {deep_range(largest)} is white (largest value {largest}): {counted(num_deep, 'image')}"
        found.append(Finding("bit-depth", "info", text))
    return found
