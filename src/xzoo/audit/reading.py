"""`xzoo.audit`: a dataset read from end to end.

N = images
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xzoo.audit import duplicates, embedding, findings, leakage
from xzoo.audit.apart import sampled, told_apart
from xzoo.audit.balance import sized
from xzoo.audit.duplicates import Duplicates
from xzoo.audit.embedding import Features
from xzoo.audit.integrity import oddities
from xzoo.audit.looks import Looks, gray, look_at
from xzoo.audit.opening import Opened, open_readable
from xzoo.audit.outcome import Audit, ShiftRow, copy_row, dataset, leak_row
from xzoo.audit.shift import Control
from xzoo.data import split as splits
from xzoo.data.items import SPLITS
from xzoo.data.pack import Pack
from xzoo.model import fetch
from xzoo.runs.following import followed
from xzoo.runs.result import Finding
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Backbone, Choice

Indices = NDArray[np.int64]

NOT_EXAMINED = (
    "MONOCHROME1 is read from DICOM headers, and xzoo reads no DICOM files; negatives among other images are looked for",
    "sizes are those kept: a shorter side over 512 pixels counts as 512",
)
_MOST_COPIES = 1000
_REPEATED = {"duplicates", "shared-groups"}
_CONTRAST = 1


@dataclass(frozen=True)
class Asked:
    """What an audit is to do, its words checked: the data, the backbone whose features tell splits apart, and the split rule."""

    data: object
    choice: Choice | None
    group: str | None
    rule: splits.SplitRule
    device: str


def audit(
    data: object,
    *,
    backbone: str | Backbone | None = None,
    group: str | None = None,
    split: str = "",
    split_seed: int | None = None,
    device: str = "auto",
) -> Audit:
    """Read a dataset: are its images sound, do any repeat or contradict others, do splits leak or differ, what can they tell.

    `data` is what `xzoo.compare` takes. Splits are told apart by the features of `backbone`; without one by those of the smallest
    of xzoo's own whose weights lie on this disk, else by simple traits, and `features` says which.
    Raises UsageError, DataError, UnavailableError and StorageError.
    """
    return followed(carry_out(ask(data, backbone=backbone, group=group, split=split, split_seed=split_seed, device=device)))


def ask(
    data: object, *, backbone: str | Backbone | None, group: str | None, split: str, split_seed: int | None, device: str
) -> Asked:
    """Return what `audit` is to do. Raises UsageError for words that are not understood and WeightsError for weights not here."""
    registry = Registry.installed()
    choice = embedding.default_backbone(registry) if backbone is None else registry.get(backbone)
    if choice is not None:
        fetch.fetch(choice)
    return Asked(data, choice, group, replace(splits.parse(split), seed=split_seed), device)


def carry_out(asked: Asked) -> Generator[str, None, Audit]:
    """Read what is asked for, yielding lines that say what is being done, and return the answer."""
    yield "reading the images"
    opened = open_readable(asked.data, asked.group)
    pack = opened.pack
    drawn = splits.draw(pack.labels_N, pack.splits_N, pack.together_N, asked.rule, asked.rule.seed or 0, classes=pack.classes)
    parts = {name: getattr(drawn, name) for name in SPLITS if len(getattr(drawn, name))}
    yield splits.first_line(drawn)
    looks = look_at(pack)
    yield "looking for copies"
    copies = duplicates.find(looks.digests, opened.digests, looks.sketches_NHW, lambda place: gray(pack.image(place)))
    yield f"telling splits apart by {asked.choice.label if asked.choice else 'traits'}"
    features = features_for(asked, pack, looks, parts)
    shifts, controls = told_apart(pack, features, looks, copies, parts)
    yield "concluding"
    return concluded(opened, drawn, looks, copies, features, shifts, controls)


def features_for(asked: Asked, pack: Pack, looks: Looks, parts: Mapping[str, Indices]) -> Features:
    """Return the features of at most 1,000 images of each split."""
    places = np.unique(np.concatenate([sampled(name, places) for name, places in parts.items()]))
    if asked.choice is None:
        return embedding.by_traits(looks.traits_NT, places)
    return embedding.by_backbone(asked.choice, pack, places, asked.device)


def concluded(
    opened: Opened,
    drawn: splits.Split,
    looks: Looks,
    copies: Duplicates,
    features: Features,
    shifts: tuple[ShiftRow, ...],
    controls: tuple[Control, ...],
) -> Audit:
    """Return the answer, its findings the gravest first."""
    pack = opened.pack
    parts = {name: getattr(drawn, name) for name in SPLITS if len(getattr(drawn, name))}
    odd = oddities(pack.shapes_N3, looks.traits_NT[:, _CONTRAST], looks.sketches_NHW)
    named = {kind: [pack.ids_N[place] for place in places] for kind, places in vars(odd).items()}
    split_of = {int(place): name for name, places in parts.items() for place in places}
    rows = [copy_row(pair, pack, split_of) for pair in copies.pairs]
    conflicts = [[pack.ids_N[place] for place in places] for places in duplicates.conflicts(copies.pictures_N, pack.labels_N)]
    shared = (*leakage.leaks("copies", copies.pictures_N, parts), *_patients(pack, parts))
    leaks = [leak_row(leak, pack) for leak in shared]
    sizes = {
        name: sized(name, pack.labels_N[places], [pack.groups_N[place] for place in places], pack.classes)
        for name, places in parts.items()
    }
    told = [
        *findings.of_images(opened.unreadable, named),
        *findings.of_copies(rows, conflicts, leaks),
        *findings.of_names(pack.ids_N, pack.groups_N),
        *findings.of_sizes(sizes),
        *findings.of_shifts(shifts, controls, features.name),
        *_about_features(features),
        *(repair for repair in pack.repairs if repair.id not in _REPEATED),
    ]
    return Audit(
        dataset=dataset(pack, drawn),
        features={"name": features.name, "dimensions": int(features.values_ND.shape[1]), "n": len(features.places_N)},
        unreadable=opened.unreadable,
        odd=named,
        copies=rows[:_MOST_COPIES],
        num_copies=len(rows),
        conflicts=conflicts,
        leaks=leaks,
        splits=sizes,
        shifts=shifts,
        controls=controls,
        findings=sorted(told, key=lambda one: findings.SEVERITIES.index(one.severity)),
        not_examined=NOT_EXAMINED,
        environment=_environment(),
    )


def _environment() -> Mapping[str, str]:
    versions = {name: importlib.metadata.version(name) for name in ("xzoo", "numpy", "scipy", "pillow", "torch")}
    return {"python": platform.python_version(), **versions}


def _patients(pack: Pack, parts: Mapping[str, Indices]) -> tuple[leakage.Leak, ...]:
    return leakage.leaks("patients", leakage.numbered(pack.groups_N), parts) if any(pack.groups_N) else ()


def _about_features(features: Features) -> list[Finding]:
    if features.name != embedding.TRAITS_ALONE:
        return []
    text = "splits were told apart by simple traits (brightness, detail, where it is bright): no backbone's weights lie here"
    remedy = "features of a network see more: xzoo weights fetch mobilenet_v3_small, or --backbone NAME@/path/file"
    return [Finding("features", "info", text, remedy)]
