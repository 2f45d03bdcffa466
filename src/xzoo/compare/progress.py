"""The epochs of a cell so far: the best of them, the weights to keep, and whether patience has run out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from xzoo.runs.result import EpochRecord
from xzoo.train.recipe import Recipe

_Weights = TypeVar("_Weights")


@dataclass(eq=False)
class Progress(Generic[_Weights]):
    """Records in their order; `kept` holds the weights that the recipe's `keep` asks for, None before the first epoch."""

    recipe: Recipe
    curves: list[EpochRecord] = field(default_factory=list)
    kept: _Weights | None = None
    _best: int = 0

    def add(self, record: EpochRecord, weights: Callable[[], _Weights]) -> None:
        """Add an epoch; `weights` is asked for those that the network now has, only where they are to be kept."""
        is_best = not self.curves or is_better(record, self.curves[self._best])
        self.curves.append(record)
        if is_best:
            self._best = len(self.curves) - 1
        if is_best or self.recipe.keep == "last":
            self.kept = weights()

    def take_up(self, curves: Sequence[EpochRecord], kept: _Weights | None) -> None:
        """Go on as after these epochs, of which `kept` are the weights to keep."""
        self.curves, self.kept, self._best = list(curves), kept, 0
        for place, record in enumerate(self.curves):
            if is_better(record, self.curves[self._best]):
                self._best = place

    @property
    def chosen(self) -> int:
        """The place of the epoch whose weights are kept."""
        return self._best if self.recipe.keep == "best" else len(self.curves) - 1

    @property
    def is_over(self) -> bool:
        """Whether the recipe's patience has run out."""
        return bool(self.recipe.patience) and len(self.curves) - 1 - self._best >= self.recipe.patience


def is_better(record: EpochRecord, best: EpochRecord) -> bool:
    """Whether an epoch beats the best before it: by validation accuracy, then by validation loss."""
    return (record.val_accuracy or 0.0, -(record.val_loss or 0.0)) > (best.val_accuracy or 0.0, -(best.val_loss or 0.0))
