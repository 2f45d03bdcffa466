"""Hyperparameters of training as one small frozen value, free of torch."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

import msgspec

from xzoo import regular
from xzoo.data.augment import parse as parse_augment
from xzoo.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a cell is trained. Every field can be set with `--set KEY=VALUE` and varied with `--vary KEY=A,B`.

    `lr` is the full learning rate, `warmup` in epochs, `schedule` what follows it: `cosine` to 0, `step` (times `step_gamma`
    every `step_size` epochs) or `constant`. `clip` bounds the gradient's norm (0: off), `patience` stops after so many epochs
    without a better validation accuracy (0: off). `views` K augments epoch e as epoch e mod K: what is frozen sees an image
    K times at most (0: anew in every epoch). `size` overrides the input's side in pixels (0: that of the weights), `crop` is
    `none` or `centre` (the publisher's resize and centre crop). `batch_norm_momentum` 0 follows the number of steps.
    `precision` is `auto`, `bf16` or `fp32`. `keep` chooses the weights that are evaluated: those of the epoch `best` on
    validation, or the `last`. `head` says how a frozen backbone's head is found: epoch by epoch (`loop`), or by the `solver`
    (logistic regression, its L2 penalty chosen on validation), to which epochs, rates and decay mean nothing.
    `engine` is what runs a frozen body; `auto` is the one of the least predicted time. `shuffle` is how an epoch's order is
    drawn: `full`, by `blocks` of neighbours, or `auto`, by blocks where the images take more than 4 GiB.
    """

    epochs: int = 10
    batch_size: int = 32
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.01
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = 0.0
    step_size: int = 10
    step_gamma: float = 0.1
    loss: Literal["cross-entropy", "bce"] = "cross-entropy"
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    clip: float = 1.0
    patience: int = 0
    batch_norm_momentum: float = 0.0
    augment: str = "none"
    views: int = 0
    size: int = 0
    crop: Literal["none", "centre"] = "none"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    keep: Literal["best", "last"] = "best"
    head: Literal["loop", "solver"] = "loop"
    engine: Literal["auto", "eager", "inductor", "openvino", "onnxruntime", "cudagraph"] = "auto"
    shuffle: Literal["auto", "full", "blocks"] = "auto"

    def __post_init__(self) -> None:
        for name, low, high in RANGES:
            value = getattr(self, name)
            if not (low <= value <= high and math.isfinite(value)):
                raise UsageError(f"recipe value {name}={value} is out of range", f"choose {name} from {low:g} to {high:g}")
        parse_augment(self.augment)

    def rate(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step, counted from 0 over all epochs."""
        total, warm = self.epochs * steps_per_epoch, self.warmup * steps_per_epoch
        if step < warm:
            return self.lr * (step + 1) / (math.ceil(warm) + 1)
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1.0, total - warm)))
        if self.schedule == "step":
            return float(self.lr * self.step_gamma ** (step // steps_per_epoch // self.step_size))
        return self.lr


RANGES = (
    ("epochs", 1, 100_000),
    ("batch_size", 2, 65_536),
    ("lr", 1e-12, 1e3),
    ("momentum", 0, 0.9999),
    ("weight_decay", 0, 1e3),
    ("warmup", 0, 100_000),
    ("step_size", 1, 100_000),
    ("step_gamma", 1e-9, 1),
    ("label_smoothing", 0, 0.999),
    ("clip", 0, 1e9),
    ("patience", 0, 100_000),
    ("batch_norm_momentum", 0, 1),
    ("views", 0, 100_000),
    ("size", 0, 4096),
)
"""What each number may be: its name, the least and the most."""

MOST_MB = 1
"""10^6 bytes that a recipe file may have: one that is larger is another kind of file."""
_MOST_DOTS = 50

_TYPES = {field.name: field for field in fields(Recipe)}


def make(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe with these values, given as their own types or as words. Raises UsageError for what it does not know."""
    for key in values:
        if key not in _TYPES:
            close = difflib.get_close_matches(key, _TYPES, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known values: {', '.join(sorted(_TYPES))}"
            raise UsageError(f"recipe has no value {key!r}", hint)
    try:
        return msgspec.convert(dict(values), Recipe, strict=False)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, UsageError):
            raise error.__cause__ from None
        raise _unfit(values, str(error)) from None


def _unfit(values: Mapping[str, Any], error: str) -> UsageError:
    """Return the error for a value of the wrong kind, by the path `$.key` in msgspec's words."""
    key = error.partition("`$.")[2].rstrip("`")
    kind = get_type_hints(Recipe).get(key)
    kinds: dict[Any, str] = {int: "a whole number", float: "a number", str: "a word"}
    words = ", ".join(map(str, get_args(kind))) or kinds.get(kind, "a value")
    return UsageError(f"recipe value {key}={values.get(key)!r} cannot be used", f"give {key} as {words}")


def changed(recipe: Recipe, **values: Any) -> Recipe:
    """Return the recipe with some values changed, checked as `make` checks them."""
    return make({**asdict(recipe), **values})


def read(path: str) -> dict[str, Any]:
    """Return the values of a TOML recipe file. Raises UsageError."""
    try:
        data = regular.read_bytes(path, MOST_MB)
        # Python's parser takes time and memory by the square of a dotted name's length.
        if any(line.partition(b"#")[0].count(b".") > _MOST_DOTS for line in data.splitlines()):
            raise UsageError(
                f"recipe file {path} has a line with more than {_MOST_DOTS} dots", "write lines such as `lr = 0.001`"
            )
        values = msgspec.toml.decode(data)
    except OSError as error:
        raise UsageError(f"recipe file {path}: {error.strerror}", "give the path of a TOML file") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"recipe file {path} is not TOML: {error}", "write lines such as `lr = 0.001`") from None
    if "recipe" in values and (others := sorted(values.keys() - {"recipe"})):
        raise UsageError(f"recipe file {path} has {', '.join(others)} beside its table [recipe]", "move it into the table")
    values = values.get("recipe", values)
    if not isinstance(values, dict):
        raise UsageError(f"recipe file {path} holds no table", "write lines such as `lr = 0.001`")
    return values
