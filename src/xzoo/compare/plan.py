"""From words to a plan: which cells a command means. Free of torch."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from xzoo import durable
from xzoo.data import split as splits
from xzoo.data.pack import Pack
from xzoo.data.split import SplitRule
from xzoo.errors import UsageError
from xzoo.runs.result import Cell
from xzoo.train import recipe as recipes
from xzoo.train.recipe import Recipe
from xzoo.zoo import strategies
from xzoo.zoo.identity import identity
from xzoo.zoo.names import Reference
from xzoo.zoo.spec import Choice, FileStart, Weights

DEMO_RECIPE: Mapping[str, Any] = {"epochs": 10, "lr": 3e-4, "clip": 1.0, "batch_size": 32}
DEMO_FINETUNED_SEEDS = 1
MARGIN = 0.02
"""Accuracies that differ by less count as equal where nothing else is asked for: two images in a hundred."""


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What a contender is besides its backbone and strategy. `words` tells it from the others in its name."""

    recipe: Recipe
    split: SplitRule
    words: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """All cells of a command and what they need. `hash` names the run: the same cells in any order have the same.

    `latency` asks for each backbone's latency, `margin` is the difference in accuracy that counts as none, `command` the words
    that ask for it all again, `source` where the data lies and `group` what names patients in it; they stay out of the hash.
    """

    cells: tuple[Cell, ...]
    choices: Mapping[str, Choice]
    pack: Pack
    positive: str | None
    watch_test: bool
    keep: str
    is_demo: bool
    hash: str
    latency: bool = True
    margin: float = MARGIN
    command: tuple[str, ...] = ()
    source: str = ""
    group: str | None = None

    def described(self) -> dict[str, Any]:
        """Return the plan as plain values, as it is kept in the run folder."""
        return {
            "schema": "xzoo.plan/1",
            "hash": self.hash,
            "data": {
                "name": self.pack.name,
                "pack": self.pack.key,
                "classes": self.pack.classes,
                "images": len(self.pack),
                "white": self.pack.white,
                "source": self.source,
                "group": self.group,
            },
            "command": self.command,
            "backbones": {label: _lasting(choice) for label, choice in self.choices.items()},
            "positive": self.positive,
            "watch_test": self.watch_test,
            "keep": self.keep,
            "cells": self.cells,
        }


def variations(recipe: Recipe, split: SplitRule, vary: Sequence[str], train_sizes: Sequence[str]) -> list[Variation]:
    """Return every combination of what `--vary KEY=A,B` and `--train-size` ask for. Raises UsageError."""
    axes = [_axis(text) for text in vary]
    if train_sizes:
        axes.append(("train-size", [size.strip() for size in train_sizes]))
    keys = [key for key, _ in axes]
    if len(set(keys)) != len(keys):
        raise UsageError(f"--vary names one value twice: {', '.join(keys)}", "give all its values in one --vary")
    found = []
    for chosen in itertools.product(*(values for _, values in axes)):
        varied, rule = recipe, split
        for key, value in zip(keys, chosen, strict=True):
            varied, rule = _apply(varied, rule, key, value)
        found.append(Variation(recipe=varied, split=rule, words=" ".join(f"{k}={v}" for k, v in zip(keys, chosen, strict=True))))
    return found


def make(  # noqa: PLR0913 - what a plan rests on
    choices: Sequence[Choice],
    pack: Pack,
    freeze: Sequence[str],
    seeds: Sequence[int],
    varied: Sequence[Variation],
    *,
    positive: str | None = None,
    watch_test: bool = False,
    keep: str = "best",
    latency: bool = True,
    margin: float = MARGIN,
    is_demo: bool = False,
    tuned_seeds: int | None = None,
) -> Plan:
    """Return the plan of these choices under these strategies, seeds and variations. Raises UsageError.

    `tuned_seeds` bounds the seeds of contenders that are not frozen, as the demo does to fit the minute.
    """
    labels = [choice.label for choice in choices]
    if len(set(labels)) != len(labels):
        raise UsageError(f"a backbone is named twice: {', '.join(labels)}", "name each once")
    if positive is not None and positive not in pack.classes:
        raise UsageError(f"--positive {positive!r} is none of the classes {', '.join(pack.classes)}", "name one of them")
    cells = [
        _cell(choice, strategy, seed, variation, pack)
        for choice in choices
        for variation in varied
        for strategy in (freeze or _default_freeze(choice))
        for seed in (seeds if strategy == "frozen" else seeds[:tuned_seeds])
    ]
    if len({cell.id.rpartition("-")[2] for cell in cells}) != len(cells):
        raise UsageError("the same cell is asked for twice", "name each strategy, seed and value once")
    words = msgspec.json.encode([_data_key(pack), positive, watch_test, keep, sorted(cell.id for cell in cells)])
    return Plan(
        cells=tuple(cells),
        choices=dict(zip(labels, choices, strict=True)),
        pack=pack,
        positive=positive,
        watch_test=watch_test,
        keep=keep,
        is_demo=is_demo,
        hash=hashlib.sha256(words).hexdigest()[:12],
        latency=latency,
        margin=margin,
    )


def check_margin(margin: float) -> None:
    """Raise UsageError unless the margin is a difference that accuracies can have."""
    if not 0 < margin < 1:
        raise UsageError(f"margin {margin:g} is no difference between accuracies", "give one between 0 and 1, such as 0.02")


def _default_freeze(choice: Choice) -> tuple[str, ...]:
    usual, own = ("finetune",) if choice.is_from_scratch else ("frozen", "finetune"), choice.freeze
    return usual if own in {"frozen", "finetune"} else (*usual, own)


def _cell(choice: Choice, freeze: str, seed: int, variation: Variation, pack: Pack) -> Cell:
    strategies.parse(freeze)
    contender = " ".join(word for word in (choice.label, freeze, variation.words) if word)
    recipe, split = asdict(variation.recipe), asdict(variation.split)
    start = [choice.label, _weights_hash(choice), identity(choice)]
    # A value that came later counts where it is set, so that cells keep the names that they had before it.
    counting = {key: value for key, value in recipe.items() if (key, value) != ("shuffle", "auto")}
    content = msgspec.json.encode([_data_key(pack), start, freeze, seed, counting, split], order="sorted")
    return Cell(
        id=f"{_short(contender)}-s{seed}-{hashlib.sha256(content).hexdigest()[:10]}",
        contender=contender,
        backbone=choice.name or choice.backbone.name,
        weights=choice.weights_name,
        freeze=freeze,
        seed=seed,
        recipe=recipe,
        split=split,
    )


def _lasting(choice: Choice) -> Reference | None:
    """Return what finds the choice again from any folder; None for a value made in Python."""
    if choice.reference is None:
        return None
    weights = _absolute(choice.weights_name) if isinstance(choice.start, FileStart) else choice.weights_name
    file = choice.reference.file
    return replace(choice.reference, weights=weights, file=_absolute(file) if file else "")


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _data_key(pack: Pack) -> str:
    """Return a hash of the images, labels, declared splits and groups."""
    return hashlib.sha256(msgspec.json.encode([pack.key, pack.splits_N, pack.groups_N])).hexdigest()


def _weights_hash(choice: Choice) -> str:
    start = choice.start
    if own := start.path if isinstance(start, FileStart) else start.file if isinstance(start, Weights) else "":
        path = Path(own).expanduser()
        return durable.sha256(path) if path.is_file() else ""
    return start.sha256 if isinstance(start, Weights) else ""


def _axis(text: str) -> tuple[str, list[str]]:
    key, equals, values = text.partition("=")
    if not equals or not key or not all(value.strip() for value in values.split(",")):
        raise UsageError(f"--vary {text!r} is not KEY=A,B", "for example --vary lr=0.001,0.0003 or --vary split=0.8/0.2,0.7/0.3")
    return key.strip(), [value.strip() for value in values.split(",")]


def _apply(recipe: Recipe, rule: SplitRule, key: str, value: str) -> tuple[Recipe, SplitRule]:
    if key == "split":
        return recipe, replace(splits.parse(value), seed=rule.seed, train_size=rule.train_size)
    if key == "train-size":
        if value != "all" and not (value.isdecimal() and int(value) > 0):
            raise UsageError(f"--train-size {value!r} is no number of images", "use whole numbers from 1, or all")
        return recipe, replace(rule, train_size=None if value == "all" else int(value))
    return recipes.changed(recipe, **{key: value}), rule


def _short(contender: str) -> str:
    from xzoo.runs.store import slug

    return slug(contender.replace(" ", "-"))[:60]
