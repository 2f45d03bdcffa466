"""A device without memory, on any machine: torch's own error at a place of a network, from a number of images on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

SAID = "CUDA out of memory. Tried to allocate 2.00 GiB"


class Starved:
    """A device on which more than `most` images do not fit, but the `first` times that it is asked they do."""

    def __init__(self, most: int, first: int = 0) -> None:
        self.most, self.first = most, first
        self.sizes: list[int] = []
        self.refused = 0

    def ask(self, count: int) -> None:
        """Raise where so many images do not fit."""
        self.sizes.append(count)
        if len(self.sizes) > self.first and count > self.most:
            self.refused = len(self.sizes)
            raise torch.OutOfMemoryError(SAID)

    @property
    def granted(self) -> list[int]:
        """How many images were asked for since the last time that they were too many."""
        return self.sizes[self.refused :]

    def forward(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Ask as a forward pass reaches a module."""
        self.ask(len(inputs[0]))

    def backward(self, _module: nn.Module, outputs: tuple[Tensor, ...]) -> None:
        """Ask as a backward pass reaches a module."""
        self.ask(len(outputs[0]))


@contextmanager
def starved(network: nn.Module, where: str, most: int, first: int = 0) -> Iterator[Starved]:
    """Let a network's `forward` or `backward` pass run out of memory at the module whose name is the second word of `where`."""
    kind, _, name = where.partition(" ")
    one, module = Starved(most, first), network.get_submodule(name)
    with ExitStack() as stack:
        if kind == "forward":
            stack.enter_context(module.register_forward_pre_hook(one.forward))
        else:
            stack.enter_context(module.register_full_backward_pre_hook(one.backward))
        yield one
