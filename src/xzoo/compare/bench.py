"""What a cell works with, laid out before training: split, classifier, learner and batches.

N = images
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xzoo.data import split as splits
from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, View, make_view
from xzoo.data.split import Split
from xzoo.errors import PreflightError
from xzoo.evaluate.predictions import Predictions, predict
from xzoo.model import classifier as classifiers
from xzoo.model.classifier import Classifier
from xzoo.model.weights import LoadedWeights
from xzoo.runs.result import Cell
from xzoo.train import features, standardise
from xzoo.train.device import Device, choose
from xzoo.train.learner import HeadOnFeatures, Learner, WholeNetwork
from xzoo.train.loop import Batched
from xzoo.train.objective import num_outputs
from xzoo.train.recipe import Recipe
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.spec import Choice, Preprocess
from xzoo.zoo.strategies import Strategy, parse


@dataclass(frozen=True, eq=False)
class Prepared:
    """A backbone with its weights, ready to be copied for each of its cells.

    `tensors` identifies its structure and every tensor outside its head, `body` these and its code.
    """

    choice: Choice
    network: nn.Module
    loaded: LoadedWeights
    tensors: str
    body: str


@dataclass(eq=False)
class Bench:
    """What the parts of a cell work with, laid out before training."""

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

    def predictions(self, split: str) -> Predictions:
        """Return the predictions of a split, in eval mode, and count their time."""
        self.classifier.network.eval()
        found = predict(self.logits_of, self.ordered(getattr(self.split, split)), self.device)
        self.spent[split] += found.seconds  # type: ignore[assignment]
        return found

    def learning(self, num_epochs: int | None = None) -> set[str]:
        """Return every owner that learns in some epoch, of all or of the first `num_epochs`."""
        stages, epochs = self.classifier.stages, self.recipe.epochs
        rates = (self.strategy.rates(stages, epoch, epochs) for epoch in range(num_epochs or epochs))
        return set().union(*(self.classifier.learning_owners(of_epoch) for of_epoch in rates))


def lay_out(prepared: Prepared, cell: Cell, pack: Pack, device: Device) -> Bench:
    """Return everything a cell trains with; features are computed where nothing but the head learns."""
    recipe, strategy = make_recipe(cell.recipe), parse(cell.freeze)
    device = choose(device.kind, recipe.precision)
    preprocess = input_of(prepared.choice, recipe)
    view = view_of(pack, preprocess, recipe)
    split = splits.draw(pack.labels_N, pack.splits_N, pack.together_N, splits.read(cell.split), cell.seed)
    classifier = build(prepared, len(pack.classes), recipe, cell.seed, preprocess, device)

    def images(indices: NDArray[np.int64], augment: str = "none", batch_size: int = recipe.batch_size) -> Batches:
        return Batches(view, pack.labels_N, indices, preprocess, batch_size, cell.seed, augment, device.kind)

    laid: dict[str, Any] = {
        "cell": cell,
        "recipe": recipe,
        "strategy": strategy,
        "device": device,
        "classifier": classifier,
        "split": split,
    }
    laid |= {"labels_N": pack.labels_N}
    training = images(split.train, recipe.augment)
    if any(any(strategy.rates(classifier.stages, epoch, recipe.epochs).values()) for epoch in range(recipe.epochs)):
        return Bench(
            **laid,
            learner=WholeNetwork(classifier),
            training=training,
            ordered=lambda indices: images(indices).ordered(),
            logits_of=classifier,
        )
    every = images(np.arange(len(pack)), batch_size=64)
    kept, seconds = features.compute(classifier, every, device, body=prepared.body, pack=pack.key)
    features_N, labels_N = torch.from_numpy(np.array(kept)).to(device.kind), torch.from_numpy(pack.labels_N).to(device.kind)
    training_features_N = features_N[torch.from_numpy(split.train).to(device.kind)]
    learner = HeadOnFeatures(classifier, standardise.fit(training_features_N, classifier.head))

    def stored(indices: NDArray[np.int64]) -> features.FeatureBatches:
        return features.FeatureBatches(features_N, labels_N, indices, recipe.batch_size, cell.seed)

    return Bench(
        **laid,
        learner=learner,
        training=stored(split.train) if recipe.augment == "none" else features.LiveFeatures(classifier, training, device),
        ordered=lambda indices: stored(indices).ordered(),
        logits_of=lambda inputs: learner.outputs(inputs)[0],
        feature_seconds=seconds,
    )


def build(prepared: Prepared, num_classes: int, recipe: Recipe, seed: int, preprocess: Preprocess, device: Device) -> Classifier:
    """Return a prepared backbone's classifier on the device, channels last, its head drawn from the seed."""
    classifier = classifiers.build(
        prepared.network,
        prepared.choice.backbone,
        num_outputs(recipe, num_classes),
        seed=seed,
        size=preprocess.shape,
        left_out=prepared.loaded.left_out,
    )
    classifier.network.to(device=device.kind, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return classifier


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
