"""What a cell costs before it runs: seconds of one core and bytes, from counts of its network, its strategy and its data.

N = images
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from xzoo.evaluate.engines.choice import COSTS, Cost, Work, choose_engine, work_of
from xzoo.model import cost
from xzoo.model.facts import skeleton
from xzoo.model.ownership import HEAD, own_tensors
from xzoo.model.parts import Parts
from xzoo.train.device import Device
from xzoo.train.recipe import Recipe
from xzoo.zoo.spec import Choice, Preprocess
from xzoo.zoo.strategies import parse

BACKWARD = 2.0
"""Passes that going back costs: gradients of inputs, and of weights (Kaplan et al. 2020, section 2.1)."""

TRAINING = 1.6
"""A pass in training against one in eval mode: batch norms are not folded, weights are cast anew, outputs are kept."""

PER_STEP_AND_MEGA_PARAM = 0.0026
"""Seconds of an optimiser's step for each 10^6 parameters that learn, the proof's copies left out."""

PER_CELL = 0.4
PER_HEAD_STEP = 0.0006
PER_BACKBONE_AND_MEGA_PARAM = 0.055
START = 6.0
"""Seconds: of a cell whatever it is, of a step of a head on features, of a network to build, hash and try, of importing torch."""

PROCESS_GB = 0.6
"""Memory of a process that has imported torch and done nothing."""


@dataclass(frozen=True)
class Images:
    """How many images a cell trains on, validates on and tests on."""

    train: int
    val: int
    test: int

    @property
    def all(self) -> int:
        """All of them."""
        return self.train + self.val + self.test


@dataclass(frozen=True)
class Load:
    """A backbone's counts at one size: of the whole, and of its stages in order with the head behind them.

    `gmacs` and `params` are by stage, 10^9 multiply-accumulates of one image and numbers; `features` are the head's inputs.
    """

    work: Work
    gmacs: Mapping[str, float]
    params: Mapping[str, int]
    features: int

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages in order, the head left out."""
        return tuple(name for name in self.gmacs if name != HEAD)

    def share_from(self, place: int) -> float:
        """Return the share of the multiply-accumulates in the stages from a place on, and in the head."""
        values = [self.gmacs[stage] for stage in self.stages]
        rest = sum(values[place:]) + self.gmacs[HEAD]
        return rest / max(sum(values) + self.gmacs[HEAD], 1e-12)


def count(choice: Choice, preprocess: Preprocess) -> Load:
    """Build the network, without memory for its tensors where it allows that, and count. Raises PluginError."""
    backbone = choice.backbone
    module = skeleton(backbone)
    stages = backbone.stages(module) if callable(backbone.stages) else backbone.stages
    owners = own_tensors(module, backbone, stages, backbone.auxiliary)
    parts = Parts(module, tuple(stages), owners)
    cost.gmacs(module, preprocess.shape, preprocess.num_channels, parts.watch)
    params = dict.fromkeys([*stages, HEAD], 0)
    for name, parameter in module.named_parameters():
        params[owners[name]] = params.get(owners[name], 0) + parameter.numel()
    gmacs = {name: parts.gmacs[name] for name in (*stages, HEAD)}
    return Load(work_of(module, preprocess.shape, preprocess.num_channels), gmacs, params, math.prod(parts.features))


def extraction(load: Load, num_images: int, recipe: Recipe, device: Device) -> float:
    """Return the seconds of a frozen body over images, made ready by the recipe's engine, or by the one that `auto` chooses."""
    known = choose_engine(load.work, num_images, device).seconds
    return known[recipe.engine] if recipe.engine in known else min(known.values())


def trained(load: Load, freeze: str, recipe: Recipe, images: Images, device: Device) -> tuple[float, float]:
    """Return the seconds in which a cell trains, and in which it is evaluated, features not counted."""
    steps = math.ceil(images.train / recipe.batch_size)
    if freeze == "frozen" and recipe.augment == "none":
        return recipe.epochs * steps * PER_HEAD_STEP, 0.0
    strategy, forward = parse(freeze), _image(load, device)
    keeps = recipe.augment == "none"
    train = val = 0.0
    passed: set[int] = set()
    for epoch in range(recipe.epochs):
        rates = strategy.rates(load.stages, epoch, recipe.epochs)
        learning = [place for place, stage in enumerate(load.stages) if rates.get(stage, 0)]
        first = min(learning, default=len(load.stages))
        upper = load.share_from(first)
        lower = 0.0 if keeps else 1 - upper
        if keeps and first and first not in passed:
            passed.add(first)
            train += images.all * forward * (1 - upper)
        train += images.train * forward * (lower + upper * TRAINING * (1 + BACKWARD))
        numbers = sum(load.params[load.stages[place]] for place in learning) + load.params[HEAD]
        train += steps * PER_STEP_AND_MEGA_PARAM * numbers / 1e6
        val += images.val * forward * (upper if keeps else 1.0)
    return train, val + images.all * forward


def latency(load: Load, device: Device, batches: tuple[tuple[int, int, float], ...]) -> float:
    """Return the seconds in which latency is measured: so many runs of each batch, or what is granted."""
    one = _image(load, device)
    return sum(min(seconds, most * 1.3 * batch * one) for batch, most, seconds in batches)


def memory_gb(load: Load, freeze: str, recipe: Recipe, num_images: int) -> float:
    """Return the greatest memory of a cell, in 10^9 bytes: weights, gradients, moments, what is kept for going back, features."""
    weights = load.work.mega_params * 4e6
    if freeze == "frozen":
        kept = load.work.mega_values * 1e6 * 4 * 64 * 0.25
        return PROCESS_GB + (5 * weights + kept + 2.0 * load.features * 4 * num_images) / 1e9
    strategy = parse(freeze)
    rates = strategy.rates(load.stages, recipe.epochs - 1, recipe.epochs)
    learning = sum(load.params[stage] for stage in load.stages if rates.get(stage, 0)) + load.params[HEAD]
    kept = load.work.mega_values * 1e6 * 4 * recipe.batch_size
    return PROCESS_GB + (6 * weights + 4 * 4 * learning + kept) / 1e9


def learnt_bytes(load: Load, freeze: str, num_classes: int) -> int:
    """Return the bytes of the tensors that a cell learns, its head replaced by one of so many classes."""
    head = 4 * load.features * num_classes
    if freeze == "frozen":
        return head
    strategy = parse(freeze)
    learnt = {stage for epoch in range(100) for stage, rate in strategy.rates(load.stages, epoch, 100).items() if rate}
    return head + 4 * sum(load.params[stage] for stage in learnt)


def _image(load: Load, device: Device) -> float:
    """Return the seconds of one image through the whole network as torch runs it."""
    known: Cost = COSTS["eager", device.precision]
    work = load.work
    image = known.per_gmac * work.gmacs + known.per_mega_value * work.mega_values
    return (image + known.per_layer_and_image * work.num_layers) / device.threads
