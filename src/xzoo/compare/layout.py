"""What a cell trains on: features of a frozen body, activations of what stays frozen, or images.

N = images
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.compare.bench import Bench, Place
from xzoo.data.pack import Pack
from xzoo.evaluate.engines.choice import choose_engine, work_of
from xzoo.evaluate.engines.extractor import extractor
from xzoo.runs.result import Cell
from xzoo.train import features, phases, standardise
from xzoo.train.device import Device
from xzoo.train.finite import demand_numbers
from xzoo.train.learner import HeadOnFeatures
from xzoo.train.loop import Batched
from xzoo.train.prepared import Prepared
from xzoo.train.recipe import Recipe
from xzoo.train.recipe import make as make_recipe
from xzoo.train.standardise import Standardiser
from xzoo.train.tables import Streamed
from xzoo.train.views import ViewBatches

_AT_ONCE = 64
"""Images in a batch where a body sees all of them."""

_MANY = 1024
"""Stored features in a batch where they are only looked at."""


def lay_out(prepared: Prepared, cell: Cell, pack: Pack, device: Device) -> Bench:
    """Return everything a cell trains with; features are computed where nothing but the head learns."""
    if is_frozen(cell):
        return Extracted.of(prepared, cell, pack, device).bench(cell)
    place = Place.of(prepared, cell, pack, device)
    laid = place.laid(cell)
    training = place.images(cell, laid["split"].train, laid["recipe"].augment)
    work = phases.Work(place.classifier, training, laid["split"], place.device, prepared.body)
    found = phases.lay(work, laid["strategy"], laid["recipe"].epochs)
    return Bench(
        **laid,
        learner=found,
        training=found,
        ordered=found.ordered,
        logits_of=found.logits_of,
        feature_seconds=found.seconds,
        notes=found.notes,
        passes=work.passes,
    )


def is_frozen(cell: Cell) -> bool:
    """Whether nothing but the head ever learns."""
    return cell.freeze == "frozen"


@dataclass(frozen=True, eq=False)
class Extracted:
    """A place whose body has seen every image once: what heads learn from. `spread` keeps the standardiser of each split."""

    place: Place
    extract: features.Extractor
    features_N: Tensor | Streamed
    labels_N: Tensor
    seconds: float
    engine: str
    notes: tuple[str, ...]
    spread: dict[bytes, Standardiser] = field(default_factory=dict)

    @classmethod
    def of(cls, prepared: Prepared, cell: Cell, pack: Pack, device: Device) -> Extracted:
        """Return the features of all images of the pack, from the cache where they are there."""
        place = Place.of(prepared, cell, pack, device)
        every = place.images(cell, np.arange(len(pack)), batch_size=_AT_ONCE)
        chosen, reason = engine_of(place, make_recipe(cell.recipe))
        extract = extractor(place.classifier, chosen, place.device)
        features_N, made = features.compute(extract, every, place.device, body=prepared.body)
        demand_numbers(_are_finite(features_N), "features", pack.ids_N)
        notes = tuple(note for note in (reason, made.detail) if note)
        return cls(place, extract, features_N, torch.from_numpy(pack.labels_N).to(place.device.kind), made.seconds, chosen, notes)

    def standardiser(self, train_N: NDArray[np.int64]) -> Standardiser:
        """Return the standardiser of the features of these training images."""
        key = train_N.tobytes()
        if key not in self.spread:
            chosen = torch.from_numpy(train_N).to(self.features_N.device)
            self.spread[key] = self._fitted(chosen)
        return self.spread[key]

    def _fitted(self, chosen_B: Tensor) -> Standardiser:
        features_N, head = self.features_N, self.place.classifier.head
        if isinstance(features_N, Streamed):
            return standardise.fit_parts(features_N.parts(chosen_B), head, features_N.dim())
        return standardise.fit(features_N[chosen_B], head)

    def bench(self, cell: Cell) -> Bench:
        """Return what a cell trains with; cells of one place share its classifier, so one is finished before the next."""
        place, laid = self.place, self.place.laid(cell)
        recipe, train_N = laid["recipe"], laid["split"].train
        learner = HeadOnFeatures(place.classifier, self.standardiser(train_N))

        def stored(indices: NDArray[np.int64], batch_size: int = _MANY) -> features.FeatureBatches:
            return features.FeatureBatches(self.features_N, self.labels_N, indices, batch_size, cell.seed, laid["blocks"])

        return Bench(
            **laid,
            learner=learner,
            training=stored(train_N, recipe.batch_size) if recipe.augment == "none" else self._augmented(cell, train_N),
            ordered=lambda indices: stored(indices).ordered(),
            logits_of=lambda inputs: learner.outputs(inputs)[0],
            feature_seconds=self.seconds,
            engine=self.engine,
            notes=self.notes,
            trial=lambda: self.trial(cell),
            passes=(self.extract,),
        )

    @torch.no_grad()
    def trial(self, cell: Cell) -> None:
        """Run the classifier's own body on two images: the engine ran a copy, and a proof must see what a pass changes."""
        images_BCHW, _ = next(self.place.images(cell, np.arange(2), batch_size=2).ordered())
        self.place.classifier.network.eval()
        self.place.classifier.features(images_BCHW)

    def _augmented(self, cell: Cell, train_N: NDArray[np.int64]) -> Batched:
        """Return the features of augmented images, K views of each, or as they come."""
        place, recipe = self.place, make_recipe(cell.recipe)
        images = place.images(cell, train_N, recipe.augment)
        if not recipe.views:
            return features.LiveFeatures(self.extract, images)
        return ViewBatches(images, self.extract, place.device, f"{place.prepared.body} {self.extract.name}")


def _are_finite(features_N: Tensor | Streamed) -> NDArray[np.bool_]:
    """Return which images have numbers for features (N,)."""
    parts = features_N.parts() if isinstance(features_N, Streamed) else [features_N]
    return np.concatenate([part.flatten(1).isfinite().all(1).cpu().numpy() for part in parts])


def engine_of(place: Place, recipe: Recipe) -> tuple[str, str]:
    """Return the engine that runs a frozen body, the recipe's or the one of the least predicted time, and why it was chosen."""
    if recipe.engine != "auto":
        return recipe.engine, ""
    work = work_of(place.prepared.network, place.preprocess.shape, place.preprocess.num_channels)
    chosen = choose_engine(work, len(place.pack), place.device)
    return chosen.engine, f"engine {chosen.engine}, {chosen.reason}"
