"""A dataset opened for an audit: what cannot be read is told and left out, where a comparison would refuse the whole."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from xzoo.data.checks import check
from xzoo.data.decode import UnreadableImagesError
from xzoo.data.items import Source
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import fingerprint, open_source


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be decoded, and why."""

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class Opened:
    """A pack of all images that can be read, the digests of their files, and those that cannot be read."""

    pack: Pack
    digests: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]


def open_readable(data: object, group: str | None = None) -> Opened:
    """Open what `open_source` opens and pack it. Raises DataError where too little is left that can be read, StorageError."""
    source = open_source(data, group=group)
    try:
        return Opened(make_pack(source), source.digests, ())
    except UnreadableImagesError as error:
        bad = tuple(Unreadable(image.name, image.reason) for image in error.images)
    rest = without(source, {one.id for one in bad})
    return Opened(make_pack(rest), rest.digests, bad)


def without(source: Source, ids: Collection[str]) -> Source:
    """Return a source without the images of these ids. Raises DataError where nothing can be learnt or drawn from the rest."""
    kept = [place for place, item in enumerate(source.items) if item.id not in ids]
    items = tuple(source.items[place] for place in kept)
    check(source.name, source.classes, items)
    decode, digests = source.decode, tuple(source.digests[place] for place in kept if source.digests)
    return replace(
        source,
        items=items,
        read=lambda index: source.read(kept[index]),
        decode=None if decode is None else lambda index: decode(kept[index]),
        digests=digests,
        fingerprint=fingerprint(source.classes, items, digests or [source.fingerprint] * len(items)),
    )
