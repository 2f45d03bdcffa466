"""The answer of an audit, with images by their ids. Its fields are those of the machine output `xzoo.audit/1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.audit.balance import SplitSize
from xzoo.audit.duplicates import Pair
from xzoo.audit.leakage import Leak
from xzoo.audit.opening import Unreadable
from xzoo.audit.shift import Control, LabelShift, Separation, Shift, Trait
from xzoo.data.items import SPLITS, counted
from xzoo.data.pack import Pack
from xzoo.data.split import Split, fingerprint, first_line
from xzoo.runs import showing
from xzoo.runs.result import Finding, Measure

SCHEMA = "xzoo.audit/1"


@dataclass(frozen=True)
class CopyRow:
    """Two images of one picture: `kind` is `bytes`, `pixels` or `near`; `detail` and `likeness` are 1 for exact copies."""

    one: str
    other: str
    kind: str
    splits: tuple[str, str]
    labels: tuple[str, str]
    detail: float
    likeness: float


@dataclass(frozen=True)
class LeakRow:
    """Images of the split `of` that share a picture or a patient (`what`) with one of `within`; examples as pairs of ids."""

    what: str
    of: str
    within: str
    count: int
    share: Measure
    examples: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class GiveawayRow:
    """An image that gives its split away: `beyond` is the share of the other split's images of its class that look less so."""

    id: str
    split: str
    label: str
    beyond: float


@dataclass(frozen=True)
class ShiftRow:
    """What differs from the split `first` to `second`; see `xzoo.audit.shift.Shift`. `p_holm` is over all pairs of splits."""

    first: str
    second: str
    total: Separation
    labels: LabelShift
    labels_p_holm: float
    appearance: Separation
    appearance_p_holm: float
    by_class: Mapping[str, Separation | None]
    traits: tuple[Trait, ...]
    giveaways: tuple[GiveawayRow, ...]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What a reading of a dataset found. `odd` lists ids by kind, `conflicts` the ids of each picture that bears several labels.

    `copies` holds the first thousand pairs of `num_copies`; `not_examined` says what no figure here speaks of.
    """

    schema: str = SCHEMA
    dataset: Mapping[str, Any]
    features: Mapping[str, Any]
    unreadable: Sequence[Unreadable]
    odd: Mapping[str, Sequence[str]]
    copies: Sequence[CopyRow]
    num_copies: int
    conflicts: Sequence[Sequence[str]]
    leaks: Sequence[LeakRow]
    splits: Mapping[str, SplitSize]
    shifts: Sequence[ShiftRow]
    controls: Sequence[Control]
    findings: Sequence[Finding]
    not_examined: Sequence[str]
    environment: Mapping[str, str]

    def to_frame(self) -> Any:
        """Return a pandas frame, a row per finding. Raises UnavailableError where pandas is not installed."""
        return showing.frame([asdict(one) for one in self.findings])

    def __repr__(self) -> str:
        name, splits = self.dataset["name"], self.dataset["first_line"]
        return showing.brief(self, name, splits, counted(len(self.findings), "finding"))

    def __str__(self) -> str:
        return showing.as_text(self)

    def _repr_html_(self) -> str:
        return showing.as_html(self)


def copy_row(pair: Pair, pack: Pack, split_of: Mapping[int, str]) -> CopyRow:
    """Return a pair of copies by ids, each with the split and the class it lies in."""
    one, other = pack.ids_N[pair.one], pack.ids_N[pair.other]
    in_splits = split_of[pair.one], split_of[pair.other]
    labels = pack.classes[pack.labels_N[pair.one]], pack.classes[pack.labels_N[pair.other]]
    return CopyRow(one, other, pair.kind, in_splits, labels, pair.detail, pair.likeness)


def leak_row(leak: Leak, pack: Pack) -> LeakRow:
    """Return a leak with its examples by ids."""
    examples = tuple((pack.ids_N[one], pack.ids_N[other]) for one, other in leak.examples)
    return LeakRow(leak.what, leak.of, leak.within, leak.count, leak.share, examples)


def shift_row(found: Shift, places: NDArray[np.int64], pack: Pack, adjusted: Sequence[float], num_first: int) -> ShiftRow:
    """Return a shift by ids: `places` are those of its images, the first split's first; `adjusted` p of labels, then of looks."""
    giveaways = tuple(
        GiveawayRow(
            id=pack.ids_N[places[one.place]],
            split=found.first if one.place < num_first else found.second,
            label=pack.classes[pack.labels_N[places[one.place]]],
            beyond=one.beyond,
        )
        for one in found.giveaways
    )
    return ShiftRow(
        first=found.first,
        second=found.second,
        total=found.total,
        labels=found.labels,
        labels_p_holm=adjusted[0],
        appearance=found.appearance,
        appearance_p_holm=adjusted[1],
        by_class=found.by_class,
        traits=found.traits,
        giveaways=giveaways,
    )


def dataset(pack: Pack, drawn: Split) -> Mapping[str, Any]:
    """Return what was read: its classes, the sizes of its splits, and which of them were drawn."""
    return {
        "name": pack.name,
        "classes": pack.classes,
        "task": "single-label",
        "images": len(pack),
        "splits": {name: len(getattr(drawn, name)) for name in SPLITS},
        "drawn": [name for name in SPLITS if "drawn" in drawn.origin[name]],
        "first_line": first_line(drawn),
        "splits_and_groups": fingerprint(drawn, pack.groups_N),
        "pack": pack.key,
    }
