"""The pack, a dataset decoded once into files of bytes, and views of it at the size a network takes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

from xzoo.data import cache
from xzoo.data.decode import LONGEST_SHORT_SIDE
from xzoo.data.fitting import shards_of, write_view
from xzoo.data.items import Source
from xzoo.data.packing import INDEX, SCHEMA, SHAPES, decoded, write_pack
from xzoo.data.resize import check_resize
from xzoo.data.shards import Shards, Stored, name_of, rows_in
from xzoo.errors import UsageError
from xzoo.runs.result import Finding

# N = images, C = channels, H, W = pixels

_FEWEST_DISTINCT = 5
"""Distinct images that each class needs for copies to be kept together: with fewer there is nothing left to draw from."""

_FEW = 8
"""Images that are decoded to foresee how long all of them take, and how large they are."""

_FORMAT = f"xzoo.pack/1 pillow {PIL.__version__} shorter side {LONGEST_SHORT_SIDE}"


@dataclass(frozen=True, eq=False)
class Pack:
    """Every image of a dataset, decoded, each at its own size, its shorter side at most 512 pixels.

    `num_channels` is 3 if any image has colour. `together_N` names what a drawn split keeps on one side: patients, or copies.
    `white` is the 16-bit value that became 255, None without such images.
    `num_decoded` counts the decodes of the call that made this value: all, none, or those that an interrupted call had left. One
    that is only foreseen has no pixels, and `to_decode_s` are the seconds in which it would be made.
    """

    key: str
    folder: Path
    name: str
    classes: tuple[str, ...]
    labels_N: NDArray[np.int64]
    splits_N: tuple[str | None, ...]
    groups_N: tuple[str | None, ...]
    together_N: tuple[str | None, ...]
    ids_N: tuple[str, ...]
    num_channels: int
    shapes_N3: NDArray[np.int64]
    repairs: tuple[Finding, ...]
    num_decoded: int
    pixels: Shards
    starts_N: NDArray[np.int64]
    white: int | None = None
    to_decode_s: float = 0.0

    def __len__(self) -> int:
        return len(self.ids_N)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return (H,W,C), C being 1 for an image without colour, mapped from a file."""
        shape = self.shapes_N3[index]
        return self.pixels.read(int(self.starts_N[index]), int(shape.prod())).reshape(shape)


@dataclass(frozen=True, eq=False)
class View:
    """Images of one size. `pixels_NCHW` has one channel where the images have no colour, also if `num_channels` says 3."""

    key: str
    pixels_NCHW: Stored
    num_channels: int
    size: tuple[int, int]


def make_pack(source: Source) -> Pack:
    """Decode every image of a source once, or find the pack made before. Splits and groups are the source's own.

    Raises DataError naming every image that cannot be decoded, StorageError.
    """
    key = _pack_key(source)
    folder = cache.root() / "packs" / key
    num_decoded = 0

    def write() -> None:
        nonlocal num_decoded
        num_decoded += write_pack(source, folder, lambda: _holds_pack(folder))

    return cache.entry(folder, lambda: _holds_pack(folder), write, lambda: _pack(source, key, folder, num_decoded))


def foresee_pack(source: Source) -> Pack:
    """Return the pack of a source where it was made before, else one without pixels, its sizes those of a few images.

    Nothing is written. Raises DataError where one of the few cannot be decoded.
    """
    key = _pack_key(source)
    folder = cache.root() / "packs" / key
    if _holds_pack(folder):
        return _pack(source, key, folder, 0)
    num_images = len(source.items)
    began = time.perf_counter()
    few = [decoded(source, index) for index in range(0, num_images, max(1, num_images // _FEW))][:_FEW]
    seconds = (time.perf_counter() - began) / len(few) * num_images / (os.cpu_count() or 1)
    shapes = [image.shape if image.ndim == 3 else (*image.shape, 1) for image in few]
    side = np.array([np.mean([shape[0] for shape in shapes]), np.mean([shape[1] for shape in shapes])]).round()
    shape = (int(side[0]), int(side[1]), max(shape[2] for shape in shapes))
    return _described(
        source,
        key,
        folder,
        np.tile(np.array(shape, dtype=np.int64), (num_images, 1)),
        repairs=source.repairs,
        num_decoded=0,
        pixels=Shards((), ()),
        starts_N=np.zeros(num_images, np.int64),
        to_decode_s=seconds,
    )


def make_view(
    pack: Pack, *, size: tuple[int, int], num_channels: int, interpolation: str = "bilinear", resize: int | None = None
) -> View:
    """Return every image at `size` (height, width), resized straight to it, or cropped from a shorter side of `resize`.

    The view is kept in the cache; where the pack already has that size it is the pack's own memory. Raises UsageError,
    StorageError.
    """
    check_resize(size, interpolation, resize)
    if num_channels not in {1, 3}:
        raise UsageError(f"images have 1 or 3 channels, not {num_channels}", "choose a backbone for gray or RGB images")
    stored = min(num_channels, pack.num_channels)
    asked = [pack.key, list(size), stored, interpolation, resize]
    key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
    if resize in {None, min(size)} and (pack.shapes_N3 == (*size, stored)).all():
        return View(key, rows_in(pack.pixels, len(pack), (*size, stored), (2, 0, 1)), num_channels, size)
    folder = cache.root() / "views" / key
    row_shape = (stored, *size)
    sizes = shards_of(len(pack), row_shape)
    paths = [folder / name_of(number) for number in range(len(sizes))]

    def is_whole() -> bool:
        return _are_of(paths, sizes) and cache.is_intact(folder, [path.name for path in paths])

    return cache.entry(
        folder,
        is_whole,
        lambda: write_view(pack.image, len(pack), folder, row_shape, interpolation, resize, is_whole),
        lambda: View(key, rows_in(Shards(paths, sizes), len(pack), row_shape), num_channels, size),
        keep=(pack.folder,),
    )


def _pack_key(source: Source) -> str:
    content: list[Any] = [_FORMAT, list(source.classes), [[item.id, item.label] for item in source.items]]
    content.append(list(source.digests) or source.fingerprint)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def _pack(source: Source, key: str, folder: Path, num_decoded: int) -> Pack:
    index = json.loads((folder / INDEX).read_bytes())
    shapes_N3 = np.frombuffer((folder / SHAPES).read_bytes(), "<i4").reshape(-1, 3).astype(np.int64)
    ends = shapes_N3.prod(axis=1).cumsum()
    told = tuple(Finding(**finding) for finding in index["repairs"])
    sizes = index["shards"]
    return _described(
        source,
        key,
        folder,
        shapes_N3,
        repairs=(*source.repairs, *told),
        num_decoded=num_decoded,
        pixels=Shards([folder / name_of(number) for number in range(len(sizes))], sizes),
        starts_N=np.concatenate([[0], ends[:-1]]),
        white=index.get("white"),
    )


def _described(source: Source, key: str, folder: Path, shapes_N3: NDArray[np.int64], **held: Any) -> Pack:
    """Return a pack with what the source says of its images; `held` are the fields that speak of its pixels and repairs."""
    return Pack(
        key=key,
        folder=folder,
        name=source.name,
        classes=source.classes,
        labels_N=np.array([item.label for item in source.items], dtype=np.int64),
        splits_N=tuple(item.split for item in source.items),
        groups_N=tuple(item.group for item in source.items),
        together_N=_together(source),
        ids_N=tuple(item.id for item in source.items),
        num_channels=int(shapes_N3[:, 2].max()),
        shapes_N3=shapes_N3,
        **held,
    )


def _together(source: Source) -> tuple[str | None, ...]:
    """Return what a drawn boundary must not separate: patients where they are known, else byte-identical copies."""
    if any(item.group is not None for item in source.items) or not source.digests:
        return tuple(item.group for item in source.items)
    distinct = {(item.label, digest) for item, digest in zip(source.items, source.digests, strict=True)}
    if min(Counter(label for label, _ in distinct).values()) < _FEWEST_DISTINCT:
        return (None,) * len(source.items)
    count = Counter(source.digests)
    return tuple(f"copies {digest}" if count[digest] > 1 else None for digest in source.digests)


def _holds_pack(folder: Path) -> bool:
    try:
        index = json.loads((folder / INDEX).read_bytes())
        names = [name_of(number) for number in range(len(index["shards"]))]
        return index["schema"] == SCHEMA and cache.is_intact(folder, [INDEX, SHAPES, *names])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _are_of(paths: Sequence[Path], sizes: Sequence[int]) -> bool:
    try:
        return [path.stat().st_size for path in paths] == list(sizes)
    except OSError:
        return False
