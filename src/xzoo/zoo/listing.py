"""What is on offer, as rows: names from metadata alone, or with figures from the declarations of what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from xzoo.errors import PluginError
from xzoo.zoo import plugin
from xzoo.zoo.offers import Offer
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Backbone, Family, Weights
from xzoo.zoo.wording import plain

OWN = "xzoo"
"""The distribution whose plugins are part of this code, and are asked in this process."""


@dataclass(frozen=True)
class NameRow:
    """A name and who offers it."""

    name: str
    distribution: str
    version: str


@dataclass(frozen=True)
class WeightsRow:
    """Published weights at `source`; `top1` and `top5` are the publisher's percentages at `size` (height, width)."""

    name: str
    licence: str
    trained_on: str
    top1: float | None
    top5: float | None
    size: tuple[int, int] = (0, 0)
    source: str = ""


@dataclass(frozen=True)
class Row:
    """A backbone with its declared figures; `size` (height, width) and `channels` are those of its default weights."""

    name: str
    distribution: str
    version: str
    params: int | None
    gmacs: float | None
    size: tuple[int, int]
    channels: int
    weights: tuple[WeightsRow, ...]

    @property
    def top1(self) -> float:
        """The best top-1 among the weights; -1 where none is published."""
        return max((one.top1 for one in self.weights if one.top1 is not None), default=-1.0)


@dataclass(frozen=True)
class Wanted:
    """What a backbone must be: of no more parameters, with weights of this top-1 or more and this word in their licence."""

    max_params: float | None = None
    min_top1: float | None = None
    licence: str = ""

    def __bool__(self) -> bool:
        return self != Wanted()

    def of(self, row: Row) -> Row | None:
        """Return the row with the weights that will do, or None where the backbone does not."""
        if self.max_params is not None and (row.params is None or row.params > self.max_params):
            return None
        if self.min_top1 is None and not self.licence:
            return row
        weights = tuple(filter(self._will_do, row.weights))
        return replace(row, weights=weights) if weights else None

    def _will_do(self, weights: WeightsRow) -> bool:
        enough = self.min_top1 is None or (weights.top1 is not None and weights.top1 >= self.min_top1)
        return enough and self.licence.lower() in weights.licence.lower()


@dataclass(frozen=True)
class Listing:
    """Rows, of which a plugin that fails has its name alone, and sentences to stand below them."""

    rows: tuple[Row | NameRow, ...]
    notes: tuple[str, ...]


def names(registry: Registry, pattern: str) -> tuple[NameRow, ...]:
    """Return the names on offer that match, from metadata alone."""
    return tuple(_name(offer) for offer in registry.offers if _matches(offer.name, pattern))


def looks_inside(registry: Registry, pattern: str, wanted: Wanted) -> bool:
    """Whether declarations have to be read: for a filter, a name with a slash, and for one offer's own name."""
    return bool(wanted) or "/" in pattern or len(registry.family_offers(pattern)) == 1


def look(registry: Registry, pattern: str, wanted: Wanted = Wanted(), *, asks_all: bool = False) -> Listing:
    """Return the backbones that match and will do, families' members among them, those of the best top-1 first under a filter.

    Plugins are imported: that of the name before the slash, or of the whole pattern. Where a filter asks nobody by name, those of
    other distributions are asked in processes of their own; so it is with `asks_all`. One that fails is a note.
    """
    by_name = registry.family_offers(pattern.partition("/")[0])
    offers = by_name or (registry.offers if wanted or asks_all else ())
    here = [offer for offer in offers if by_name or offer.distribution == OWN]
    answers = [*(_answer(registry, offer, pattern) for offer in here), *_from_strangers(registry, offers, here, pattern)]
    rows = [kept for answer in answers for row in answer.rows if (kept := wanted.of(row)) is not None]
    if wanted:
        rows.sort(key=lambda row: (-row.top1, row.name))
    failed = (
        () if wanted else [_name(answer.offer) for answer in answers if answer.fault and _matches(answer.offer.name, pattern)]
    )
    notes = [answer.fault or answer.note for answer in answers if answer.fault or answer.rows]
    return Listing((*rows, *failed), tuple(dict.fromkeys(note for note in notes if note)))


def families(registry: Registry) -> dict[str, int]:
    """Return xzoo's own families with the numbers of their members. Of those of others nothing tells without importing them."""
    found: dict[str, int] = {}
    own = [offer for offer in registry.offers if offer.distribution == OWN]
    for offer in {offer.value: offer for offer in own}.values():
        for item in plugin.declarations(offer, registry.own_names(offer)):
            if isinstance(item, Family):
                found[item.name] = len(plugin.listed(offer, item))
    return found


@dataclass(frozen=True)
class _Answer:
    """What one offer holds, or why that cannot be told."""

    offer: Offer
    rows: tuple[Row, ...] = ()
    note: str = ""
    fault: str = ""


def _answer(registry: Registry, offer: Offer, pattern: str) -> _Answer:
    try:
        rows, note = _inside(registry, offer, pattern)
    except PluginError as error:
        return _Answer(offer, fault=error.text)
    return _Answer(offer, tuple(rows), note)


def _from_strangers(registry: Registry, offers: Sequence[Offer], here: Sequence[Offer], pattern: str) -> Iterator[_Answer]:
    """Yield the answers of distributions that are not asked `here`, each in a process of its own, limited in time and memory."""
    from xzoo.zoo.isolation import run

    batches: dict[tuple[str, str], list[Offer]] = {}
    for offer in offers:
        if offer not in here:
            batches.setdefault((offer.distribution, offer.place), []).append(offer)
    for batch in batches.values():
        asked = {"offers": [asdict(offer) for offer in batch], "names": sorted(registry.own_names(batch[0])), "pattern": pattern}
        ending = run("xzoo.zoo.listing:tell", asked)
        told = dict(_read(batch, ending.answers))
        lost = f"the plugins of {batch[0].origin} could not all be asked: {ending.fault}"
        yield from (told.get(place, _Answer(offer, fault=lost)) for place, offer in enumerate(batch))


def tell(request: Mapping[str, Any], answer: Callable[[Any], None]) -> None:
    """Answer, inside an isolated process, for each of the offers: its place among them, its rows, its note and its fault."""
    offers = [Offer(**fields) for fields in request["offers"]]
    registry = Registry((*offers, *(replace(offers[0], name=name) for name in request["names"])))
    for place, offer in enumerate(offers):
        found = _answer(registry, offer, request["pattern"])
        answer([place, [asdict(row) for row in found.rows], found.note, found.fault])


def _read(batch: Sequence[Offer], answers: Sequence[Any]) -> Iterator[tuple[int, _Answer]]:
    """Yield what is told as `tell` tells it: a plugin can write there too."""
    import msgspec

    for said in answers:
        try:
            place, rows, note, fault = msgspec.convert(said, tuple[int, tuple[Row, ...], str, str])
        except msgspec.ValidationError:
            continue
        if 0 <= place < len(batch):
            yield place, _Answer(batch[place], rows, plain(note), plain(fault))


def _inside(registry: Registry, offer: Offer, pattern: str) -> tuple[list[Row], str]:
    """Return the rows of one offer that match, and the sentence of its family."""
    rows: list[Row] = []
    note = ""
    for item in plugin.declarations(offer, registry.own_names(offer)):
        if isinstance(item, Backbone):
            if offer.name in (item.name, item.name.partition("/")[0]) and _matches(item.name, pattern):
                rows.append(_row(offer, item))
        elif item.name == offer.name:
            rows += _members(offer, item, pattern if pattern != item.name else f"{item.name}/")
            note = plugin.guarded(offer, "say what stands below its list", item.note)
    return rows, note


def _members(offer: Offer, family: Family, pattern: str) -> Iterator[Row]:
    for name in plugin.listed(offer, family):
        if _matches(f"{family.name}/{name}", pattern):
            yield _row(offer, plugin.guarded(offer, f"declare {name!r}", _getting(family, name)))


def _getting(family: Family, name: str) -> Callable[[], Backbone]:
    return lambda: family.get(name)


def _name(offer: Offer) -> NameRow:
    return NameRow(offer.name, offer.distribution, offer.version)


def _row(offer: Offer, backbone: Backbone) -> Row:
    preprocess = backbone.weights[0].preprocess if backbone.weights else backbone.preprocess
    return Row(
        name=backbone.name,
        distribution=offer.distribution,
        version=offer.version,
        params=backbone.params,
        gmacs=backbone.gmacs,
        size=preprocess.shape,
        channels=preprocess.num_channels,
        weights=tuple(_weights_row(one) for one in backbone.weights),
    )


def _weights_row(one: Weights) -> WeightsRow:
    source = one.url or (f"hf://{one.hf}" if one.hf else "")
    return WeightsRow(one.name, one.licence, one.trained_on, one.top1, one.top5, one.preprocess.shape, source)


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) if set(pattern) & set("*?[") else pattern in name
