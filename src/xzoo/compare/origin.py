"""A finished run's own images, opened again from where they lie."""

from __future__ import annotations

from pathlib import Path

from xzoo.data.items import Source
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import open_source
from xzoo.errors import UsageError
from xzoo.runs.store import RunFolder


def place_of(folder: RunFolder, data: object = None) -> object:
    """Return where a run's data lies: `data`, or what the run says of it. Raises UsageError where it is not there any more."""
    place = data if data is not None else folder.plan()["data"].get("source") or None
    if place is None:
        raise UsageError(f"{folder.path} cannot find its data again", "say where it lies: --data PATH, in Python data=...")
    if data is None and not _is_there(place):
        raise UsageError(f"the data of {folder.path} is not in {place} any more", "say where it lies: --data PATH")
    return place


def opened(folder: RunFolder, place: object, group: str | None = None) -> tuple[Source, Pack]:
    """Return the images of a run from their place. Raises UsageError for other images than the run's, DataError."""
    source = open_source(place, group=group)
    pack = make_pack(source)
    if pack.key != folder.plan()["data"]["pack"]:
        raise UsageError(f"{pack.name} is not the data of {folder.path}", "name the data that the run was made with: --data PATH")
    return source, pack


def _is_there(place: object) -> bool:
    """Whether data that a plan names is still where it was; drawn data is everywhere."""
    return not Path(str(place)).is_absolute() or Path(str(place)).exists()
