"""What each freeze strategy would let learn of a backbone, told from the numbers of parameters of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xzoo.zoo.strategies import parse

SHOWN = ("frozen", "last:1", "last:2", "gradual:1", "lp-ft", "layerwise:0.75", "finetune")
"""The strategies that are told of every backbone, from the one that lets least learn to the one that lets most."""

EPOCHS = 10
"""Epochs of the training that is told of: those of a recipe that says nothing else."""


@dataclass(frozen=True)
class Learning:
    """What learns under a strategy: `first` and `most` are the parameters that do so in the first epoch and in the fullest one.

    `since` is the epoch, counted from 1, from which a stage learns, and `rate` its highest share of the learning rate; a stage
    that never learns is in neither. The head learns from the first epoch at the full rate; auxiliary heads are not counted.
    """

    freeze: str
    first: int
    most: int
    since: Mapping[str, int]
    rate: Mapping[str, float]


def learning(params: Mapping[str, int], head: int, epochs: int = EPOCHS) -> tuple[Learning, ...]:
    """Return what learns under each of `SHOWN`, of stages with so many parameters, in forward order, and of the head's."""
    return tuple(_under(freeze, params, head, epochs) for freeze in SHOWN)


def _under(freeze: str, params: Mapping[str, int], head: int, epochs: int) -> Learning:
    strategy, stages = parse(freeze), tuple(params)
    by_epoch = [strategy.rates(stages, epoch, epochs) for epoch in range(epochs)]
    counts = [head + sum(params[stage] for stage in stages if rates.get(stage, 0.0) > 0) for rates in by_epoch]
    rate = {stage: max(rates.get(stage, 0.0) for rates in by_epoch) for stage in stages}
    since = {
        stage: next(epoch for epoch, rates in enumerate(by_epoch, 1) if rates.get(stage, 0.0) > 0)
        for stage in stages
        if rate[stage] > 0
    }
    return Learning(freeze, counts[0], max(counts), since, {stage: rate[stage] for stage in since})
