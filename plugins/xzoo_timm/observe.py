"""What a network does, seen from outside: which module is called when, and what each gives."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH = 2


@dataclass
class Calls:
    """The forward pass of two images: each module's first and last place among the calls, and the shape of what it gave."""

    first: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    output: tuple[int, ...] = ()

    def within(self, path: str) -> tuple[int, int] | None:
        """Return the first and the last place of the calls of a module and all inside it; None where none is called."""
        places = [name for name in self.first if is_below(name, path)]
        return (min(self.first[name] for name in places), max(self.last[name] for name in places)) if places else None


def is_below(name: str, path: str) -> bool:
    """Whether a tensor or module is `path` or lies inside it."""
    return not path or name == path or name.startswith(f"{path}.")


def calls_of(module: nn.Module, size: Sequence[int]) -> Calls:
    """Return the calls in eval mode on zero images (2,C,H,W) of this `size`, (C,H,W), on the module's own device."""
    import torch

    parameter = next(module.parameters())
    with _evaluating(module), torch.no_grad():
        return _recorded(module, torch.zeros(BATCH, *size, device=parameter.device, dtype=parameter.dtype))


def _recorded(module: nn.Module, images_BCHW: Tensor) -> Calls:
    calls, clock = Calls(), itertools.count()
    handles = []
    for name, part in module.named_modules():
        handles += [
            part.register_forward_pre_hook(functools.partial(_begins, calls, clock, name)),
            part.register_forward_hook(functools.partial(_ends, calls, name)),
        ]
    try:
        output = module(images_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    calls.output = _shape(output)
    return calls


def _begins(calls: Calls, clock: Iterator[int], name: str, _module: nn.Module, _inputs: Any) -> None:
    place = next(clock)
    calls.first.setdefault(name, place)
    calls.last[name] = place


def _ends(calls: Calls, name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
    calls.shapes[name] = _shape(output)


def _shape(output: Any) -> tuple[int, ...]:
    """Return the shape of a tensor, or of the last of several."""
    while isinstance(output, (tuple, list)) and output:
        output = output[-1]
    return tuple(getattr(output, "shape", ()))


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    was_training = {part: part.training for part in module.modules()}
    try:
        module.eval()
        yield
    finally:
        for part, training in was_training.items():
            part.training = training
