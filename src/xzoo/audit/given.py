"""What an audit finds of splits that are given: what crosses them, what tells them apart, and which labels are wrong.

N = images
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xzoo.audit import duplicates, embedding, leakage
from xzoo.audit.apart import sampled, told_apart, units_of
from xzoo.audit.duplicates import Duplicates
from xzoo.audit.embedding import Features
from xzoo.audit.looks import Looks, gray, look_at
from xzoo.audit.noise import Noise, noise
from xzoo.audit.outcome import ShiftRow
from xzoo.audit.shift import Control
from xzoo.audit.twosample import directions
from xzoo.data.pack import Pack
from xzoo.zoo.spec import Choice

Indices = NDArray[np.int64]
LEARNT, TEST = "train and validation", "test"


@dataclass(frozen=True, eq=False)
class Pictures:
    """A pack's images as an audit remembers them, and which of them are copies: what does not depend on splits."""

    pack: Pack
    looks: Looks
    copies: Duplicates


@dataclass(frozen=True, eq=False)
class Reading:
    """What was found of `parts`, the places of each split's images, by the features of a backbone, or by traits.

    `leaked` are the places of validation and test images that share a picture or a patient with an earlier split; `noise` is of
    the labels of train and validation together, and of test, its images by their places.
    """

    features: str
    parts: Mapping[str, Indices]
    has_patients: bool
    leaked: Mapping[str, Indices]
    leaks: tuple[leakage.Leak, ...]
    shifts: tuple[ShiftRow, ...]
    controls: tuple[Control, ...]
    noise: Mapping[str, Noise]


def look_for_copies(pack: Pack, digests: Sequence[str]) -> Pictures:
    """Look at every image once and find all copies; `digests` are those of the files, empty where unknown."""
    looks = look_at(pack)
    copies = duplicates.find(looks.digests, digests, looks.sketches_NHW, lambda place: gray(pack.image(place)))
    return Pictures(pack, looks, copies)


def read_splits(pictures: Pictures, parts: Mapping[str, Indices], choice: Choice | None, device: str = "auto") -> Reading:
    """Return what is found of these splits, told apart by a backbone's features, by traits where there is none.

    Raises WeightsError, PluginError, StorageError, UnavailableError for a device that is not here.
    """
    pack, looks, copies = pictures.pack, pictures.looks, pictures.copies
    places = np.unique(np.concatenate([sampled(name, of_split) for name, of_split in parts.items()]))
    features = (
        embedding.by_traits(looks.traits_NT, places) if choice is None else embedding.by_backbone(choice, pack, places, device)
    )
    shifts, controls = told_apart(pack, features, looks, copies, parts)
    patients_N = leakage.numbered(pack.groups_N)
    leaks = (*leakage.leaks("copies", copies.pictures_N, parts), *leakage.leaks("patients", patients_N, parts))
    return Reading(
        features=features.name,
        parts=parts,
        has_patients=any(pack.groups_N),
        leaked={name: _leaked((copies.pictures_N, patients_N), parts, name) for name in ("val", "test")},
        leaks=leaks,
        shifts=shifts,
        controls=controls,
        noise=_noise(pictures, features, parts),
    )


def _leaked(numbers: Sequence[Indices], parts: Mapping[str, Indices], of: str) -> Indices:
    names = list(parts)
    earlier = [parts[name] for name in names[: names.index(of)]] if of in parts else []
    if not earlier:
        return np.empty(0, np.int64)
    places = parts[of]
    is_leaked = np.any([leakage.leaked(same_N, places, np.concatenate(earlier)) for same_N in numbers], axis=0)
    return np.asarray(places[is_leaked])


def _noise(pictures: Pictures, features: Features, parts: Mapping[str, Indices]) -> dict[str, Noise]:
    pack = pictures.pack
    units_N = units_of(pack.groups_N, pictures.copies.pictures_N)
    sides = {
        LEARNT: [parts[name] for name in ("train", "val") if name in parts],
        TEST: [parts[name] for name in ("test",) if name in parts],
    }
    found = {}
    for name, together in sides.items():
        places = np.intersect1d(np.concatenate([*together, np.empty(0, np.int64)]), features.places_N)
        if len(places):
            one = noise(directions(features.of(places)), pack.labels_N[places], units_N[places], len(pack.classes))
            found[name] = replace(one, images=tuple(int(places[image]) for image in one.images))
    return found
