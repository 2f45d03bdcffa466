"""A dataset made ready before it is needed: its pack, and views of it at the sizes that networks take."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from xzoo.data import cache
from xzoo.data.items import Source, counted
from xzoo.data.pack import Pack, make_pack, make_view
from xzoo.data.resize import check_resize


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Something that lies in the cache now, in so many `files` of pixels. `made` images are new in it, the rest was there before.

    `size` is the side of a view's images in pixels, None for the pack.
    """

    path: str
    size: int | None
    bytes: int
    files: int
    made: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What was made ready of a dataset, as `xzoo data pack` tells it. The first of `kept` is the pack."""

    schema: str
    name: str
    images: int
    classes: int
    channels: int
    kept: tuple[Kept, ...]


def prepare(source: Source, sizes: Sequence[int] = (), interpolation: str = "bilinear") -> Generator[str, None, Ready]:
    """Make a pack and its views of these sides in pixels, as backbones without a centre crop take them; yield what is being done.

    What is there is left, and what was interrupted is gone on with. Raises DataError, UsageError, StorageError.
    """
    for size in sizes:
        check_resize((size, size), interpolation, None)
    yield f"packing {counted(len(source.items), 'image')}"
    began = time.perf_counter()
    pack = make_pack(source)
    seconds = time.perf_counter() - began
    files = len(pack.pixels.sizes)
    kept = [Kept(path=str(pack.folder), size=None, bytes=pack.pixels.nbytes, files=files, made=pack.num_decoded, seconds=seconds)]
    for size in dict.fromkeys(sizes):
        yield f"bringing them to {size} x {size} pixels"
        kept.append(_view(pack, size, interpolation))
    if (held := cache.size()) > cache.limit():
        bound = cache.limit() / 1e9
        yield f"the cache holds {held / 1e9:.1f} GB and may hold {bound:g}: what is made next puts the oldest of it out"
        yield f"XZOO_CACHE_LIMIT={math.ceil(1.5 * held / 1e9)} keeps all of it, with room for features"
    return Ready(
        schema="xzoo.data/1",
        name=pack.name,
        images=len(pack),
        classes=len(pack.classes),
        channels=pack.num_channels,
        kept=tuple(kept),
    )


def _view(pack: Pack, size: int, interpolation: str) -> Kept:
    """Make a view where there is none; where the pack has that size already it is the pack's own bytes."""
    began = time.perf_counter()
    before = set(_views())
    view = make_view(pack, size=(size, size), num_channels=pack.num_channels, interpolation=interpolation)
    folder = cache.root() / "views" / view.key
    is_own = folder.is_dir()
    return Kept(
        path=str(folder if is_own else pack.folder),
        size=size,
        bytes=view.pixels_NCHW.nbytes,
        files=len(list(folder.glob("*.bin"))) if is_own else len(pack.pixels.sizes),
        made=len(pack) if is_own and view.key not in before else 0,
        seconds=time.perf_counter() - began,
    )


def _views() -> list[str]:
    folder = cache.root() / "views"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
