"""What each value of a recipe means, in which unit, and who gave it in the recipe at hand. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args, get_type_hints

from xzoo.data.augment import POLICIES
from xzoo.errors import UsageError
from xzoo.train import recipe as recipes
from xzoo.train.recipe import Recipe

DEFAULT = "default"
TABLE = "recipe"
"""The table of a recipe file that holds the values; a file without it holds nothing else."""


@dataclass(frozen=True, kw_only=True)
class Knob:
    """A value of a recipe: what it means, its unit where it has one, what it is by default, and what it may be."""

    name: str
    meaning: str
    unit: str
    default: Any
    allowed: str


@dataclass(frozen=True, kw_only=True)
class Setting(Knob):
    """A knob as it is set, and by whom: `default`, the demo, a file, `--set`, or an option of its own."""

    value: Any
    source: str


_MEANINGS: Mapping[str, tuple[str, str]] = {
    "epochs": ("epochs", "passes over the training images"),
    "batch_size": ("images", "images in a step"),
    "optimizer": ("", "what turns gradients into steps"),
    "lr": ("per step", "the full learning rate, of the head and of stages at rate 1"),
    "momentum": ("", "momentum of sgd"),
    "weight_decay": ("", "decoupled decay of weights (adamw), or L2 penalty (adam, sgd)"),
    "schedule": ("", "the learning rate behind the warm-up: cosine to 0, in steps, or constant"),
    "warmup": ("epochs", "the learning rate rises from near 0 for so long"),
    "step_size": ("epochs", "of schedule step: epochs at one rate"),
    "step_gamma": ("", "of schedule step: what the rate is multiplied by"),
    "loss": ("", "cross-entropy, or of two classes bce on one logit"),
    "label_smoothing": ("share", "how much of each label goes to all classes alike"),
    "class_weights": ("", "balanced weighs each class by the inverse of its number of images"),
    "clip": ("L2 norm", "the longest gradient; 0 leaves it as it is"),
    "patience": ("epochs", "stop after so many without a better validation accuracy; 0 never stops"),
    "batch_norm_momentum": ("", "share of the newest batch in running statistics; 0 follows the number of steps"),
    "augment": ("", "what is done to training images by chance"),
    "views": ("epochs", "epoch e is augmented as epoch e modulo this, so that features can be kept; 0 augments anew"),
    "size": ("pixels", "side of the network's input; 0 is that of its weights"),
    "crop": ("", "centre is the publisher's resize and centre crop; none resizes the whole image"),
    "precision": ("", "arithmetic of body and backward pass; auto is the hardware's own"),
    "keep": ("", "the weights that are evaluated: of the best epoch on validation, or of the last"),
    "head": ("", "a frozen backbone's head is learnt epoch by epoch, or solved in closed form"),
    "engine": ("", "what runs a frozen body; auto is the one of the least predicted time"),
    "shuffle": ("", "an epoch's order: full, by blocks of neighbours, or auto, by blocks where the images take more than 4 GiB"),
}


def knobs() -> tuple[Knob, ...]:
    """Return every value that a recipe has, in its order."""
    hints = get_type_hints(Recipe)
    return tuple(
        Knob(
            name=field.name,
            meaning=_MEANINGS[field.name][1],
            unit=_MEANINGS[field.name][0],
            default=field.default,
            allowed=_allowed(field.name, hints[field.name]),
        )
        for field in fields(Recipe)
    )


def gather(layers: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, tuple[Any, str]]:
    """Return each value that some layer (who gives it, what it gives) holds, with its source; later layers win.

    Each layer is checked alone, so that what is wrong is told of the layer that says it. Raises UsageError.
    """
    found: dict[str, tuple[Any, str]] = {}
    for source, values in layers:
        try:
            recipes.make(values)
        except UsageError as error:
            raise UsageError(f"{source}: {error.text}", error.remedy) from None
        found |= {key: (value, source) for key, value in values.items()}
    return found


def settings(given: Mapping[str, tuple[Any, str]]) -> tuple[Setting, ...]:
    """Return every value of the recipe that these values make, each with its source. Raises UsageError."""
    values = asdict(recipes.make({key: value for key, (value, _) in given.items()}))
    sources = {key: source for key, (_, source) in given.items()}
    return tuple(Setting(**asdict(knob), value=values[knob.name], source=sources.get(knob.name, DEFAULT)) for knob in knobs())


def from_words(texts: Sequence[str]) -> dict[str, str]:
    """Return the values of words KEY=VALUE; `recipe.KEY` is KEY, as in a file with that table. Raises UsageError."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip().removeprefix(f"{TABLE}.")
        if not equals or not key:
            raise UsageError(f"--set {text!r} is not KEY=VALUE", "for example --set lr=0.0003")
        found[key] = value.strip()
    return found


def _allowed(name: str, hint: Any) -> str:
    if words := get_args(hint):
        return ", ".join(map(str, words))
    bounds = next(((low, high) for key, low, high in recipes.RANGES if key == name), None)
    return f"{bounds[0]:g} to {bounds[1]:g}" if bounds else ", ".join(POLICIES)
