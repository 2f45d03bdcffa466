"""Train and eval mode of a module's parts, changed for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put every part of a module into eval mode, and afterwards back into the mode that it was in."""
    with _kept(module):
        for part in module.modules():
            part.training = False
        yield


def refresh(module: nn.Module) -> None:
    """Let a module whose tensors have changed drop what it made of the old ones, and leave its modes as they are.

    Networks with learnt biases of attention (LeViT, TinyViT) keep them ready for eval mode, until `train()` is called.
    """
    with _kept(module):
        module.train()


@contextmanager
def _kept(module: nn.Module) -> Iterator[None]:
    was_training = {part: part.training for part in module.modules()}
    try:
        yield
    finally:
        for part, training in was_training.items():
            part.training = training
