"""What is true of a backbone before it meets data: its size, cost, stages and published weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from xzoo.errors import PluginError, XzooError
from xzoo.model.cost import count_params, gmacs
from xzoo.model.fetch import published_path
from xzoo.model.ownership import HEAD, own_tensors
from xzoo.model.parts import Parts
from xzoo.runs import showing
from xzoo.zoo.learning import Learning, learning
from xzoo.zoo.spec import Backbone, Choice, Preprocess, Weights
from xzoo.zoo.wording import shown, told


@dataclass(frozen=True)
class StageFacts:
    """A stage: its parameters, its multiply-accumulates (10^9) for one image, and the shape, without the batch, of its output."""

    name: str
    params: int
    gmacs: float = 0.0
    output: tuple[int, ...] = ()


@dataclass(frozen=True)
class WeightsFacts:
    """Published weights; `here` says whether they can be loaded without a network."""

    name: str
    top1: float | None
    top5: float | None
    licence: str
    trained_on: str
    sha256: str
    url: str
    here: bool


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A backbone as its published head leaves it. `params` are those deployed, `gmacs` at `size` (height, width).

    Stages' and the head's `gmacs` sum to the whole. `features` is the shape of what the head takes, `learning` what each freeze
    strategy would let learn.
    """

    name: str
    summary: str
    paper: str
    params: int
    params_with_auxiliary: int
    params_head: int
    gmacs: float
    size: tuple[int, int]
    channels: int
    stages: tuple[StageFacts, ...]
    weights: tuple[WeightsFacts, ...]
    freeze: str
    head: str
    origin: str
    gmacs_head: float = 0.0
    features: tuple[int, ...] = ()
    learning: tuple[Learning, ...] = ()

    def _repr_html_(self) -> str:
        return showing.as_html(self)


def info(backbone: str | Backbone | Choice) -> Facts:
    """Return what is true of a backbone, by its name or as a value. Raises UsageError and PluginError."""
    from xzoo.zoo.registry import Registry

    # A value needs nothing of what is installed, and reading that takes longer than all else here.
    return describe(Registry(()).get(backbone) if not isinstance(backbone, str) else Registry.installed().get(backbone))


def describe(choice: Choice) -> Facts:
    """Build the network, without memory for its tensors where it allows that, and return what is true of it.

    Raises PluginError where it cannot be built, or its stages do not cover it.
    """
    backbone, preprocess = choice.backbone, choice.preprocess
    module = skeleton(backbone)
    stages = backbone.stages(module) if callable(backbone.stages) else backbone.stages
    owners = own_tensors(module, backbone, stages, backbone.auxiliary)
    held = _params_by_owner(module, owners, stages)
    parts = Parts(module, tuple(stages), owners)
    total = _cost(module, backbone, preprocess, parts)
    return Facts(
        name=choice.name or backbone.name,
        summary=backbone.summary,
        paper=backbone.paper,
        params=count_params(module, [auxiliary.path for auxiliary in backbone.auxiliary]),
        params_with_auxiliary=count_params(module),
        params_head=held[HEAD],
        gmacs=total,
        size=preprocess.shape,
        channels=preprocess.num_channels,
        stages=tuple(StageFacts(one, held[one], round(parts.gmacs[one], 6), parts.output.get(one, ())) for one in stages),
        weights=tuple(_weights(weights) for weights in backbone.weights),
        freeze=choice.freeze,
        head=backbone.head.path,
        origin=choice.origin,
        gmacs_head=round(parts.gmacs[HEAD], 6),
        features=parts.features,
        learning=learning({stage: held[stage] for stage in stages}, held[HEAD]),
    )


def _cost(module: nn.Module, backbone: Backbone, preprocess: Preprocess, parts: Parts) -> float:
    """Return 10^9 multiply-accumulates of one image. Raises PluginError where the network does not take it."""
    height, width = preprocess.shape
    try:
        return round(gmacs(module, (height, width), preprocess.num_channels, parts.watch), 6)
    except Exception as error:  # a stranger's forward raises whatever it meets
        raise PluginError(
            f"{backbone.name} does not take one image of {preprocess.num_channels}x{height}x{width}: {told(error)}",
            "declare what it takes: preprocess=xzoo.Preprocess(size=...), and fixed_size=True where it takes no other size",
        ) from error


def skeleton(backbone: Backbone) -> nn.Module:
    """Return the network on torch's meta device, or, where its making needs values, with them. Raises PluginError."""
    with contextlib.suppress(Exception), torch.device("meta"):
        return built(backbone)
    try:
        return built(backbone)
    except XzooError:
        raise
    except Exception as error:
        raise PluginError(
            f"{backbone.name} cannot be built: {type(error).__name__}: {error}", "repair its build(), or ask its author"
        ) from error


def built(backbone: Backbone) -> nn.Module:
    """Return what the backbone's `build()` returns. Raises PluginError where that is no module."""
    network: object = backbone.build()
    if not isinstance(network, nn.Module):
        raise PluginError(
            f"build() of {backbone.name} returns {shown(network)}, not a torch.nn.Module", "return the network from build()"
        )
    return network


def _params_by_owner(module: nn.Module, owners: Mapping[str, str], stages: Iterable[str]) -> Mapping[str, int]:
    """Count the parameters of each stage, in order, and of the head."""
    held = dict.fromkeys([*stages, HEAD], 0)
    for name, parameter in module.named_parameters():
        if owners[name] in held:
            held[owners[name]] += parameter.numel()
    return held


def _weights(weights: Weights) -> WeightsFacts:
    path = published_path(weights)
    return WeightsFacts(
        name=weights.name,
        top1=weights.top1,
        top5=weights.top5,
        licence=weights.licence,
        trained_on=weights.trained_on,
        sha256=weights.sha256,
        url=weights.url or (f"hf://{weights.hf}" if weights.hf else ""),
        here=path is None or path.is_file(),
    )
