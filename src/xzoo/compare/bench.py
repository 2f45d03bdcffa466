"""What a cell works with, laid out before training: split, classifier, learner and batches.

N = images
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data import split as splits
from xzoo.data.batches import Batches, at_once, chunks
from xzoo.data.order import Blocks, blocks_of
from xzoo.data.pack import Pack, View, make_view
from xzoo.data.split import Split
from xzoo.errors import PreflightError
from xzoo.evaluate.pooling import with_repeating_pooling
from xzoo.evaluate.predictions import Predictions, predict
from xzoo.model import classifier as classifiers
from xzoo.model.classifier import Classifier
from xzoo.model.modes import evaluating
from xzoo.runs.conditions import Shortage
from xzoo.runs.result import Cell
from xzoo.train.device import Device, choose, suited
from xzoo.train.finite import demand_numbers
from xzoo.train.learner import Learner
from xzoo.train.loop import Batched
from xzoo.train.objective import num_outputs
from xzoo.train.prepared import Prepared
from xzoo.train.recipe import Recipe
from xzoo.train.recipe import make as make_recipe
from xzoo.train.shortage import Parted
from xzoo.zoo.spec import Choice, Preprocess
from xzoo.zoo.strategies import Strategy, parse


class Passing(Protocol):
    """A pass of a network over images that knows where its memory ran out."""

    @property
    def memory(self) -> Sequence[Shortage]:
        """Every shortage."""
        ...


@dataclass(eq=False)
class Bench:
    """What the parts of a cell work with, laid out before training. `val_losses` are every image's, after each epoch."""

    cell: Cell
    recipe: Recipe
    strategy: Strategy
    device: Device
    classifier: Classifier
    learner: Learner
    split: Split
    training: Batched
    ordered: Callable[[NDArray[np.int64]], Iterator[tuple[Tensor, Tensor]]]
    logits_of: Callable[[Tensor], Tensor]
    labels_N: NDArray[np.int64]
    feature_seconds: float = 0.0
    prepare_seconds: float = 0.0
    spent: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    engine: str = ""
    trial: Callable[[], None] = lambda: None
    val_losses: list[NDArray[np.float32]] = field(default_factory=list)
    ids_N: Sequence[str] = ()
    passes: Sequence[Passing] = ()
    blocks: Blocks | None = None
    answer: Parted = field(init=False)

    def __post_init__(self) -> None:
        self.answer = Parted(self.logits_of, "answering images")
        self.notes += (self.blocks.told,) if self.blocks else ()

    @property
    def memory(self) -> tuple[Shortage, ...]:
        """Where memory ran out in what the network only looked at: parts give the same but for last bits."""
        return tuple(one for each in (*self.passes, self.answer) for one in each.memory)

    def predictions(self, split: str) -> Predictions:
        """Return the predictions of a split, in eval mode, and count their time. Raises NotFiniteError, MemoryShortageError."""
        self.classifier.network.eval()
        indices = getattr(self.split, split)
        found = self._answers(indices)
        names = [self.ids_N[index] for index in indices] if self.ids_N else ()
        demand_numbers(found.are_finite, f"{split} answers", names)
        self.spent[split] += found.seconds  # type: ignore[assignment]
        return found

    def _answers(self, indices: NDArray[np.int64]) -> Predictions:
        """Return the answers for these images; of several ranks each answers some batches, and all have all of them."""
        ranks = self.device.ranks
        if not ranks.are_many:
            return predict(self.answer, self.ordered(indices), self.device)
        batches = chunks(indices, at_once(self.recipe.batch_size, self.device.kind))
        own = batches[ranks.share.part(len(batches))]
        found = predict(self.answer, self.ordered(np.concatenate(own)), self.device) if own else None
        return _joined([one for one in ranks.gathered(found) if one is not None])

    def learning(self, num_epochs: int | None = None) -> set[str]:
        """Return every owner that learns in some epoch, of all or of the first `num_epochs`."""
        stages, epochs = self.classifier.stages, self.recipe.epochs
        rates = (self.strategy.rates(stages, epoch, epochs) for epoch in range(num_epochs or epochs))
        return set().union(*(self.classifier.learning_owners(of_epoch) for of_epoch in rates))


@dataclass(frozen=True, eq=False)
class Place:
    """A classifier on its device, and the images at the size it takes."""

    prepared: Prepared
    pack: Pack
    device: Device
    preprocess: Preprocess
    view: View
    classifier: Classifier

    @classmethod
    def of(cls, prepared: Prepared, cell: Cell, pack: Pack, device: Device) -> Place:
        """Return the place of a cell, its head drawn. Raises PreflightError for a size that the network does not take."""
        recipe = make_recipe(cell.recipe)
        device = choose(device.kind, recipe.precision, deterministic=device.deterministic, ranks=device.ranks)
        preprocess = input_of(prepared.choice, recipe)
        classifier, device = build(prepared, len(pack.classes), recipe, cell.seed, preprocess, device)
        return cls(prepared, pack, device, preprocess, view_of(pack, preprocess, recipe), classifier)

    def split(self, cell: Cell) -> Split:
        """Return the places of a cell's training, validation and test images."""
        pack = self.pack
        return splits.draw(pack.labels_N, pack.splits_N, pack.together_N, splits.read(cell.split), cell.seed)

    def images(self, cell: Cell, indices: NDArray[np.int64], augment: str = "none", batch_size: int = 0) -> Batches:
        """Return images as batches, of the recipe's size unless another is given."""
        recipe = make_recipe(cell.recipe)
        return Batches(
            self.view,
            self.pack.labels_N,
            indices,
            self.preprocess,
            batch_size or recipe.batch_size,
            cell.seed,
            augment,
            self.device.kind,
            views=recipe.views,
            pack=self.pack,
            blocks=self.blocks(recipe),
            share=self.device.ranks.share,
        )

    def blocks(self, recipe: Recipe) -> Blocks | None:
        """Return how the recipe shuffles images of this size; None where all are shuffled."""
        num_images, *image = self.view.pixels_NCHW.shape
        return blocks_of(recipe.shuffle, num_images, math.prod(image))

    def laid(self, cell: Cell) -> dict[str, Any]:
        """Return what every bench of a cell holds."""
        return {
            "cell": cell,
            "recipe": make_recipe(cell.recipe),
            "strategy": parse(cell.freeze),
            "device": self.device,
            "classifier": self.classifier,
            "split": self.split(cell),
            "labels_N": self.pack.labels_N,
            "ids_N": self.pack.ids_N,
            "blocks": self.blocks(make_recipe(cell.recipe)),
        }


def _joined(parts: Sequence[Predictions]) -> Predictions:
    """Return the predictions of all parts, one behind the other; they were made at the same time."""
    probabilities_NK = np.concatenate([one.probabilities_NK for one in parts])
    labels_N = np.concatenate([one.labels_N for one in parts])
    return Predictions(probabilities_NK, labels_N, max(one.seconds for one in parts))


def build(
    prepared: Prepared, num_classes: int, recipe: Recipe, seed: int, preprocess: Preprocess, device: Device
) -> tuple[Classifier, Device]:
    """Return a prepared backbone's classifier, channels last, its head drawn from the seed, and the device as it can use it."""
    classifier = classifiers.build(
        prepared.network,
        prepared.choice.backbone,
        num_outputs(recipe, num_classes),
        seed=seed,
        size=preprocess.shape,
        left_out=prepared.loaded.left_out,
    )
    if device.deterministic:
        with evaluating(classifier.network):
            with_repeating_pooling(classifier.network, torch.zeros(1, preprocess.num_channels, *preprocess.shape))
    classifier.network.to(device=device.kind, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return classifier, suited(device, classifier.network)


def input_of(choice: Choice, recipe: Recipe) -> Preprocess:
    """Return the preprocessing of the weights at the recipe's size. Raises PreflightError for one it cannot take."""
    backbone, preprocess = choice.backbone, choice.preprocess
    if not recipe.size or (recipe.size, recipe.size) == preprocess.shape:
        return preprocess
    if backbone.fixed_size or recipe.size < backbone.min_size:
        limit = f"only {preprocess.shape[0]}x{preprocess.shape[1]}" if backbone.fixed_size else f"sizes from {backbone.min_size}"
        raise PreflightError(f"{backbone.name} takes {limit} pixels, not {recipe.size}", "change --set size=..., or leave it out")
    scale = recipe.size / min(preprocess.shape)
    return replace(preprocess, size=recipe.size, resize=round(preprocess.resize * scale) if preprocess.resize else None)


def view_of(pack: Pack, preprocess: Preprocess, recipe: Recipe) -> View:
    """Return the images at the network's input size, cropped where the recipe asks for the publisher's crop."""
    return make_view(
        pack,
        size=preprocess.shape,
        num_channels=preprocess.num_channels,
        interpolation=preprocess.interpolation,
        resize=shorter_side(preprocess, recipe),
    )


def shorter_side(preprocess: Preprocess, recipe: Recipe) -> int | None:
    """Return the shorter side, in pixels, before the publisher's centre crop; None where the recipe asks for no crop."""
    return (preprocess.resize or min(preprocess.shape)) if recipe.crop == "centre" else None
