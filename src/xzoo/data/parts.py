"""Shards that are whole are kept beside the folder they are made for, until it stands: work that was interrupted goes on there.

A part is an entry of the cache like any other: its manifest comes last, it may be evicted, and one that is not whole is none.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xzoo import durable
from xzoo.data import cache, shards
from xzoo.data.shards import name_of

_FACTS = "part.json"


def taken(folder: Path, temporary: Path) -> Iterator[Mapping[str, Any]]:
    """Yield what was noted of each whole part of `folder`, from the first on, after its file has been put into `temporary`."""
    number = 0
    while (facts := _taken(folder, temporary, number)) is not None:
        yield facts
        number += 1


def keep(folder: Path, temporary: Path, number: int, facts: Mapping[str, Any]) -> None:
    """Keep a shard of `temporary`, which nobody writes any more, as a part of `folder`. Raises StorageError."""
    place, name = _place(folder, number), name_of(number)
    with durable.new_folder(place) as part:
        durable.fill_link(part / name, temporary / name)
        durable.fill_bytes(part / _FACTS, json.dumps(facts).encode())


def forget(folder: Path) -> None:
    """Remove all parts of a folder, which stands now. Raises StorageError."""
    number = 0
    while (place := _place(folder, number)).exists():
        durable.remove(place)
        number += 1


def _taken(folder: Path, temporary: Path, number: int) -> Mapping[str, Any] | None:
    place, name = _place(folder, number), name_of(number)
    if not cache.is_intact(place, [name, _FACTS]):
        return None
    with contextlib.suppress(FileNotFoundError):  # another process that made the same has just ended
        facts: Mapping[str, Any] = json.loads((place / _FACTS).read_bytes())
        durable.fill_link(temporary / name, place / name)
        return facts
    return None


def _place(folder: Path, number: int) -> Path:
    return folder.with_name(f"{folder.name}.{shards.SHARD_BYTES}-{number}")
