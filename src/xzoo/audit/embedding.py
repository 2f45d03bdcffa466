"""Features to tell splits apart by: those of a frozen backbone, as `compare` would compute and keep them, or an image's traits.

N = images, D = features
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xzoo.data.pack import Pack, View, make_view
from xzoo.data.resize import fitted
from xzoo.model import fetch
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Choice, Preprocess, Weights

Indices = NDArray[np.int64]

OWN = "xzoo"
TRAITS_ALONE = "traits"
MOST_IN_VIEW = 10_000
"""Images of a dataset up to which all go through the backbone: the features are then the ones that `compare` keeps."""

_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Features:
    """Features (N,D) of the images at `places_N`, and by what they were made: a backbone's label, or `traits`."""

    values_ND: NDArray[np.float32]
    places_N: Indices
    name: str

    def of(self, places: Indices) -> NDArray[np.float32]:
        """Return the features of images by their places in the dataset, which must be among those computed."""
        return np.asarray(self.values_ND[np.searchsorted(self.places_N, places)])


def default_backbone(registry: Registry) -> Choice | None:
    """Return xzoo's own backbone with the fewest operations among those whose published weights lie on this disk.

    Families are not asked: theirs are hundreds. None where nothing lies here.
    """
    here = []
    for name in registry.names():
        offers = registry.family_offers(name)
        if len(offers) != 1 or offers[0].distribution != OWN or offers[0].value.endswith(".family"):
            continue
        choice = registry.get(name)
        path = fetch.where(choice)
        if isinstance(choice.start, Weights) and path is not None and path.is_file():
            gmacs = choice.backbone.gmacs
            here.append((math.inf if gmacs is None else gmacs, choice.label, choice))
    return min(here, key=lambda entry: entry[:2])[2] if here else None


def by_traits(traits_NT: NDArray[np.float32], places: Indices) -> Features:
    """Return traits as features: an honest answer without a network, though a weaker one."""
    return Features(traits_NT[places], places, TRAITS_ALONE)


def by_backbone(choice: Choice, pack: Pack, places: Indices, device: str = "auto") -> Features:
    """Return the features of a backbone whose weights lie here, from the cache where `compare` or an audit left them.

    Raises WeightsError, PluginError, StorageError, UnavailableError for a device that is not here.
    """
    from xzoo.data.batches import Batches
    from xzoo.evaluate.engines.choice import choose_engine, work_of
    from xzoo.evaluate.engines.extractor import extractor
    from xzoo.model import classifier as classifiers
    from xzoo.train import features
    from xzoo.train.device import choose, suited
    from xzoo.train.prepared import prepare
    from xzoo.train.tables import Streamed

    prepared = prepare(choice)
    preprocess, chosen = choice.preprocess, choose(device)
    engine = choose_engine(work_of(prepared.network, preprocess.shape, preprocess.num_channels), len(places), chosen).engine
    classifier = classifiers.build(
        prepared.network, choice.backbone, len(pack.classes), seed=0, size=preprocess.shape, left_out=prepared.loaded.left_out
    )
    chosen = suited(chosen, classifier.network)
    classifier.network.to(device=chosen.kind)
    view, kept = _view(pack, preprocess, places)
    images = Batches(view, pack.labels_N[kept], np.arange(len(kept)), preprocess, _AT_ONCE, device=chosen.kind)
    found, _ = features.compute(extractor(classifier, engine, chosen), images, chosen, body=prepared.body)
    parts = found.parts() if isinstance(found, Streamed) else [found]
    pooled = [part.mean(tuple(range(2, part.dim()))) if part.dim() > 2 else part for part in parts]
    return Features(np.concatenate([part.cpu().numpy() for part in pooled]), kept, choice.label)


def _view(pack: Pack, preprocess: Preprocess, places: Indices) -> tuple[View, Indices]:
    """Return the images as the network takes them, and their places: all where they are few, else those asked for, in memory."""
    size, num_channels = preprocess.shape, preprocess.num_channels
    if len(pack) <= MOST_IN_VIEW:
        view = make_view(pack, size=size, num_channels=num_channels, interpolation=preprocess.interpolation)
        return view, np.arange(len(pack))
    stored = min(num_channels, pack.num_channels)
    pixels_NCHW = np.stack([fitted(pack.image(place), size, stored, preprocess.interpolation, None) for place in places])
    asked = [pack.key, hashlib.sha256(places.tobytes()).hexdigest(), list(size), stored, preprocess.interpolation]
    return View(hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32], pixels_NCHW, num_channels, size), places
