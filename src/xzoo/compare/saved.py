"""A contender taken out of a finished run: its network as it was when it was evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from xzoo.compare.bench import build, input_of, shorter_side
from xzoo.compare.selection import RUNS, Saved, What, find
from xzoo.errors import StorageError, UsageError, WeightsError
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.map_layer import declared_layer
from xzoo.model.checkpoint_file import read_content
from xzoo.model.classifier import Classifier
from xzoo.runs import learnt_file
from xzoo.train.device import choose
from xzoo.train.prepared import prepare
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.registry import Registry, start_of
from xzoo.zoo.spec import Backbone, Choice, Preprocess


def load(
    what: What,
    *,
    contender: str | None = None,
    seed: int | None = None,
    runs: str | Path = RUNS,
    backbone: Backbone | Choice | None = None,
) -> Deployed:
    """Return a contender of a run, in eval mode on the CPU, its preprocessing included.

    `what` is a recommendation, or a run's path, hash prefix or `last`; `contender` the recommended one where none is named;
    `seed` the best on validation of those whose tensors were kept. `backbone` stands for one that was made in Python, which a
    run folder cannot find again. Raises UsageError, WeightsError, PluginError, StorageError.
    """
    return rebuild(find(what, contender=contender, seed=seed, runs=runs), backbone)


def rebuild(saved: Saved, backbone: Backbone | Choice | None = None, device: str = "cpu") -> Deployed:
    """Return the network of a saved cell on a device, in eval mode. Raises what `load` does."""
    classifier, preprocess = restored(saved, backbone, device)
    resize = shorter_side(preprocess, make_recipe(saved.cell.recipe))
    declared = declared_layer(classifier.backbone, classifier.network)
    paths = classifier.backbone.head.paths
    return Deployed(classifier.network, saved.classes, preprocess, resize, map_layer=declared, head_paths=paths).eval()


def restored(saved: Saved, backbone: Backbone | Choice | None = None, device: str = "cpu") -> tuple[Classifier, Preprocess]:
    """Return the classifier of a saved cell as it was learnt, and what its images go through. Raises what `load` does."""
    choice, recipe = choice_of(saved, backbone), make_recipe(saved.cell.recipe)
    prepared, preprocess = prepare(choice), input_of(choice, recipe)
    chosen = choose(device, recipe.precision)
    classifier, _ = build(prepared, len(saved.classes), recipe, saved.cell.seed, preprocess, chosen)
    learnt = read_learnt(saved.folder.learnt(saved.cell.id))
    if not _restore(classifier, learnt):
        facts = saved.folder.facts(saved.label)
        body = prepared.tensors
        if facts is not None and facts.weights.get("body", body) != body:
            raise UsageError(
                f"{saved.label} does not start as it did in {saved.folder.path}: its code, its weights or torch changed",
                "bring back what it was, or run the comparison again",
            )
    return classifier, preprocess


def choice_of(saved: Saved, backbone: Backbone | Choice | None) -> Choice:
    """Return the backbone of a saved cell, found again, or the value that stands for it. Raises UsageError, PluginError."""
    if isinstance(backbone, Choice):
        return backbone
    if backbone is not None:
        return replace(Registry.installed().get(backbone), start=start_of(backbone, saved.cell.weights))
    if saved.reference is None:
        raise UsageError(
            f"{saved.label} was made in Python, and {saved.folder.path} cannot find it again",
            "hand it over: backbone=...",
        )
    return Registry.installed().get(saved.reference)


def read_learnt(path: Path) -> dict[str, Tensor]:
    """Return the tensors that a cell learnt, held against the file's own sha256. Raises StorageError."""
    try:
        learnt: dict[str, Tensor] = read_content(path)
    except WeightsError as error:
        raise StorageError(
            f"cannot read {path}: {error.text}", "the run folder is incomplete or was altered; remove its cell and run it again"
        ) from error
    learnt_file.check(path, {name: tensor.numpy() for name, tensor in learnt.items()})
    return learnt


def _restore(classifier: Classifier, learnt: dict[str, Tensor]) -> bool:
    """Put the learnt tensors in their places and say whether they are all there are. Raises UsageError."""
    state = classifier.network.state_dict()
    odd = [name for name, tensor in learnt.items() if name not in state or state[name].shape != tensor.shape]
    if odd:
        raise UsageError(
            f"{classifier.backbone.name} is not the network it was: {len(odd)} learnt tensors do not fit ({', '.join(odd[:3])})",
            "bring back its code, or run the comparison again",
        )
    with torch.no_grad():
        classifier.restore(learnt)
    return state.keys() <= learnt.keys()
