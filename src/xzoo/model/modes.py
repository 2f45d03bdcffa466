"""Train and eval mode of a module's parts, changed for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put every part of a module into eval mode, and afterwards back into the mode that it was in."""
    was_training = {part: part.training for part in module.modules()}
    try:
        for part in was_training:
            part.training = False
        yield
    finally:
        for part, training in was_training.items():
            part.training = training
