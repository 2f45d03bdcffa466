"""Freeze strategies: small frozen values that say which stages learn, and how fast, in each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xzoo.errors import UsageError

WORDS = ("frozen", "finetune", "last:N", "gradual:N", "lp-ft", "layerwise:D")


class Strategy(Protocol):
    """A pure function of stages (in forward order) and epoch to a rate per stage; a stage left out is frozen."""

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Return rates in [0, 1]: 0 is frozen, 1 the recipe's full learning rate. The head's is always 1."""
        ...


@dataclass(frozen=True)
class Frozen:
    """Only the head learns: the body is a fixed feature extractor."""

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Return no stage."""
        del stages, epoch, num_epochs
        return {}


@dataclass(frozen=True)
class Finetune:
    """Every stage learns from the first epoch, at the full rate."""

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Return every stage at 1."""
        del epoch, num_epochs
        return dict.fromkeys(stages, 1.0)


@dataclass(frozen=True)
class Last:
    """The last `count` stages learn from the first epoch, at the full rate."""

    count: int

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Return the last `count` stages at 1."""
        del epoch, num_epochs
        return _last(stages, self.count)


@dataclass(frozen=True)
class Gradual:
    """The head learns first; every `every` epochs one more stage joins, from the last to the first.

    Gradual unfreezing is from ULMFiT (https://arxiv.org/abs/1801.06146, section 3.3).
    """

    every: int

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Return the stages that have joined by this epoch at 1."""
        del num_epochs
        return _last(stages, epoch // self.every)


@dataclass(frozen=True)
class LinearProbeThenFinetune:
    """The head learns in the first half of the epochs, everything in the second (https://arxiv.org/abs/2202.10054).

    The half is rounded down, so that a single epoch fine-tunes.
    """

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Return no stage in the first half, every stage at 1 in the second."""
        return {} if epoch < num_epochs // 2 else dict.fromkeys(stages, 1.0)


@dataclass(frozen=True)
class Layerwise:
    """Every stage learns, each `decay` times as fast as the one behind it; the head learns at the full rate.

    Discriminative rates are from ULMFiT (https://arxiv.org/abs/1801.06146, section 3.1).
    """

    decay: float

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        """Return decay, decay^2, ... from the last stage to the first."""
        del epoch, num_epochs
        return {stage: self.decay ** (len(stages) - place) for place, stage in enumerate(stages)}


def parse(text: str) -> Strategy:
    """Return the strategy that a word such as `last:2` names. Raises UsageError."""
    word, _, argument = text.partition(":")
    simple: dict[str, Strategy] = {"frozen": Frozen(), "finetune": Finetune(), "lp-ft": LinearProbeThenFinetune()}
    if word in simple and not argument:
        return simple[word]
    try:
        if word == "last":
            return Last(_positive(argument))
        if word == "gradual":
            return Gradual(_positive(argument))
        if word == "layerwise" and 0 < float(argument) <= 1:
            return Layerwise(float(argument))
    except ValueError:
        pass
    raise UsageError(
        f"freeze strategy {text!r} is unknown",
        f"use one of {', '.join(WORDS)}: N a whole number from 1, D a decay above 0 and up to 1",
    )


def _last(stages: Sequence[str], count: int) -> Mapping[str, float]:
    return dict.fromkeys(stages[max(0, len(stages) - count) :], 1.0)


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number
