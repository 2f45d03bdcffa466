"""What a plugin declares: frozen values, checked when made, free of torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from xzoo.errors import PluginError
from xzoo.zoo.heads import Auxiliary, Head, OneHead, ReplaceConv, ReplaceHead, ReplaceLinear, ReplaceSeveral
from xzoo.zoo.maps import MapLayer
from xzoo.zoo.names import Reference, is_name, is_place

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "IMAGENET_224",
    "Auxiliary",
    "Backbone",
    "Choice",
    "ExpectedFailure",
    "Family",
    "FileStart",
    "Head",
    "MapLayer",
    "OneHead",
    "Preprocess",
    "RandomStart",
    "ReplaceConv",
    "ReplaceHead",
    "ReplaceLinear",
    "ReplaceSeveral",
    "Stages",
    "Start",
    "Weights",
]

Prefixes = str | Sequence[str]
Stages = Mapping[str, Prefixes]

NO_IDENTITY: Mapping[str, Any] = {"identity": False}
"""Marks a field on which nothing that training or prediction gives depends."""

_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """How pixels scaled to [0, 1] become a network's input: resized to `size`, then (x - mean) / std per channel.

    `size` is height and width in pixels, or one number for both. `resize` is the shorter side that the publisher resizes to
    before a centre crop of `size`; it is used only where a recipe asks for that crop.
    """

    size: int | tuple[int, int]
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
    resize: int | None = None

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise PluginError(
                f"Preprocess has {len(self.mean)} means and {len(self.std)} deviations", "give one of each per channel"
            )
        if min(self.shape) < 1 or min(self.std) <= 0:
            raise PluginError(f"Preprocess(size={self.size}, std={self.std}) is not usable", "give positive sizes and deviations")
        if self.interpolation not in {"nearest", "bilinear", "bicubic"}:
            raise PluginError(f"interpolation {self.interpolation!r} is unknown", "use nearest, bilinear or bicubic")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @property
    def num_channels(self) -> int:
        """Channels of the input."""
        return len(self.mean)


IMAGENET_224 = Preprocess(size=224, resize=256)
"""The input of most networks trained on ImageNet-1k: RGB, 224 pixels, ImageNet's mean and deviation."""


@dataclass(frozen=True)
class Weights:
    """Published weights of a backbone: fetched from `url` or `hf`, in the local `file`, or produced by `read() -> state dict`.

    `hf` is "owner/repo[@revision]/file"; without a file it is model.safetensors, or where there is none pytorch_model.bin.
    `sha256` may be a prefix; where it is empty it is taken from a file name such as `alexnet-owt-7be5be79.pth`.
    `optional` lists prefixes of tensors that are taken where the file has them in the network's shapes, and else stay as they
    were built: a published head of other classes. `top1` and `top5` are the publisher's percentages on `trained_on`.
    """

    name: str
    url: str = field(default="", kw_only=True)
    hf: str = field(default="", kw_only=True)
    file: str = field(default="", kw_only=True)
    read: Callable[[], Mapping[str, Any]] | None = field(default=None, kw_only=True)
    sha256: str = field(default="", kw_only=True)
    optional: Sequence[str] = field(default=(), kw_only=True)
    preprocess: Preprocess = field(default=IMAGENET_224, kw_only=True)
    trained_on: str = field(default="", kw_only=True)
    licence: str = field(default="", kw_only=True)
    top1: float | None = field(default=None, kw_only=True)
    top5: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if sum(bool(source) for source in (self.url, self.hf, self.file, self.read)) != 1:
            raise PluginError(f"weights {self.name!r} name no single source", "give one of url, hf, file and read")
        if not self.sha256 and (found := _HASH_IN_NAME.search(self.url or self.hf)):
            object.__setattr__(self, "sha256", found[1])


@dataclass(frozen=True)
class ExpectedFailure:
    """A check of the conformance kit that a backbone fails through no fault of its plugin.

    `check` is the check's name, `reason` one sentence, `link` the address where the project behind the network discusses it.
    """

    check: str
    reason: str
    link: str


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network that can be given a new head and trained from what it already knows.

    `build()` returns the module with random weights and its published head, offline. `stages` maps names, in forward order, to
    parameter-name prefixes; with the head and the auxiliaries they cover every parameter once. It may be a function of the
    module. `leave_out` lists checkpoint keys (prefixes) not to load, `rename` pairs of a regular expression and its replacement;
    `convert(module, content)` is for files that need more than that: it returns the state dict of what a file holds.
    `other_weights(name)` makes weights that `weights` does not list, such as a revision on a hub; it raises XzooError.
    `preprocess` belongs to random weights; published ones carry their own. `fixed_size` says that no other input size works,
    `min_size` the smallest side in pixels. `params` and `gmacs` are published figures (GMACs: 10^9 multiply-accumulates).
    `expected_failures` names the checks of `xzoo plugins check` that it is known to fail. `map_layer` is where class activation
    maps look, or a function of the module; None is the last module before the head whose output is laid out as the image is.
    """

    name: str
    build: Callable[[], nn.Module]
    head: Head
    stages: Stages | Callable[[nn.Module], Stages]
    freeze: str = "frozen"
    weights: Sequence[Weights] = ()
    auxiliary: Sequence[Auxiliary] = ()
    leave_out: Sequence[str] = ()
    rename: Sequence[tuple[str, str]] = ()
    convert: Callable[[nn.Module, Any], Mapping[str, Any]] | None = None
    other_weights: Callable[[str], Weights] | None = None
    preprocess: Preprocess = IMAGENET_224
    fixed_size: bool = False
    min_size: int = 1
    summary: str = ""
    paper: str = ""
    licence: str = ""
    params: int | None = None
    gmacs: float | None = None
    expected_failures: Sequence[ExpectedFailure] = ()
    map_layer: MapLayer | Callable[[nn.Module], MapLayer | None] | None = field(default=None, metadata=NO_IDENTITY)

    def __post_init__(self) -> None:
        if not (is_name(self.name) or is_place(self.name)):
            raise PluginError(
                f"{self.name!r} is no name for a backbone", "use letters, digits, '_', '-' and '.', with '/' after a family"
            )
        names = [weights.name for weights in self.weights]
        if len(set(names)) != len(names):
            raise PluginError(f"backbone {self.name!r} declares weights of one name twice: {', '.join(names)}", "name each once")
        if not callable(self.stages) and not self.stages:
            raise PluginError(f"backbone {self.name!r} declares no stages", "name at least one stage")


@dataclass(frozen=True)
class Family:
    """Many backbones under one name before the slash: `get("convnext_tiny")` declares `timm/convnext_tiny`.

    `names()` reads a shipped table, and may be empty; `get` makes a declaration of one of them without importing or building
    anything, so that a thousand are listed in a second. `note()` is a sentence to stand below such a list, or nothing.
    """

    name: str
    names: Callable[[], Iterable[str]]
    get: Callable[[str], Backbone]
    note: Callable[[], str] = str


@dataclass(frozen=True)
class RandomStart:
    """Weights drawn by the network's own initialisation; `number` chooses which draw."""

    number: int = 0


@dataclass(frozen=True)
class FileStart:
    """Weights in a local file."""

    path: str


Start = Weights | RandomStart | FileStart


@dataclass(frozen=True)
class Choice:
    """A backbone and the weights it starts from. `origin` is the distribution and version that offers it.

    `reference` is what it was asked for by; a value made in Python has none, and no other process finds it again.
    """

    backbone: Backbone
    start: Start
    origin: str = ""
    name: str = ""
    reference: Reference | None = field(default=None, compare=False)

    @property
    def weights_name(self) -> str:
        """What stands behind the `@`."""
        if isinstance(self.start, RandomStart):
            return "random" if self.start.number == 0 else f"random:{self.start.number}"
        return self.start.path if isinstance(self.start, FileStart) else self.start.name

    @property
    def label(self) -> str:
        """The name by which results call this choice, such as `alexnet@IMAGENET1K_V1`."""
        return f"{self.name or self.backbone.name}@{self.weights_name}"

    @property
    def is_from_scratch(self) -> bool:
        """Whether it starts at random because nothing else is published."""
        return isinstance(self.start, RandomStart) and not self.backbone.weights

    @property
    def freeze(self) -> str:
        """The strategy of its own: the declared one, and `finetune` where `frozen` would keep what nobody has trained."""
        return "finetune" if self.is_from_scratch and self.backbone.freeze == "frozen" else self.backbone.freeze

    @property
    def preprocess(self) -> Preprocess:
        """The preprocessing that goes with the weights: a local file's is that of the default published ones."""
        if isinstance(self.start, Weights):
            return self.start.preprocess
        if isinstance(self.start, FileStart) and self.backbone.weights:
            return self.backbone.weights[0].preprocess
        return self.backbone.preprocess
