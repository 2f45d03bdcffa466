"""The folders that xzoo reads and writes: where, how full, whether they can be written, and what is left on their disks."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xzoo.data import cache
from xzoo.errors import UsageError
from xzoo.model import hub

RUNS = "xzoo-runs"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder of some kind, sizes in bytes. `limit` bounds packs, views and features together; None: nothing does.

    One that is not there yet `is_writable` where it can be made; `free` is what its disk has left.
    """

    kind: str
    path: str
    is_there: bool
    num_bytes: int
    limit: int | None
    is_writable: bool
    free: int | None


def look(runs: str = RUNS) -> tuple[Place, ...]:
    """Return the places of packs, views, features, weights and runs."""
    return tuple(_place(kind, folder, bound) for kind, folder, bound in _all(runs))


def _all(runs: str) -> Iterator[tuple[str, Path, int | None]]:
    bound: int | None = None
    with contextlib.suppress(UsageError):
        bound = cache.limit()
    for kind in cache.KINDS:
        yield kind, cache.root() / kind, bound
    yield "weights of torch", hub.cache("TORCH_HOME", "torch") / "hub" / "checkpoints", None
    yield "weights of Hugging Face", hub.snapshot_path("xzoo/none").parents[3], None
    yield "runs", Path(runs).absolute(), None


def _place(kind: str, folder: Path, bound: int | None) -> Place:
    above = next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))
    free: int | None = None
    with contextlib.suppress(OSError):
        free = shutil.disk_usage(above).free
    return Place(
        kind=kind,
        path=str(folder),
        is_there=folder.is_dir(),
        num_bytes=_bytes_below(folder),
        limit=bound,
        is_writable=above.is_dir() and os.access(above, os.W_OK | os.X_OK),
        free=free,
    )


def _bytes_below(folder: Path) -> int:
    """Return the bytes of all files, each once: the hub's cache links to its own."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(above) / name).lstat().st_size
    return total
