"""What a plugin says of its network's head: which module gives the logits, and what stands behind it. Free of torch.

B = images in a batch, K = outputs
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xzoo.errors import PluginError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class _OnePath:
    """A head that is one module. `after` names what the network does behind it: its modules' paths, `flatten`, or functions."""

    path: str

    @property
    def paths(self) -> tuple[str, ...]:
        """The modules that are replaced."""
        return (self.path,)


@dataclass(frozen=True)
class ReplaceLinear(_OnePath):
    """The head is the linear layer at `path`; a new one of as many inputs and K outputs takes its place.

    `after` names what the network does behind it: paths of its own modules, `flatten`, or functions of one tensor.
    """

    after: tuple[str | Callable[[Tensor], Tensor], ...] = ()


@dataclass(frozen=True)
class ReplaceConv(_OnePath):
    """The head is the convolution at `path`; a new one of the same kernel and K output channels takes its place.

    `after` names what the network does behind it: paths of its own modules, `flatten`, or functions of one tensor.
    """

    after: tuple[str | Callable[[Tensor], Tensor], ...] = ()


@dataclass(frozen=True)
class ReplaceHead(_OnePath):
    """The head is the module at `path`; `make(old, num_outputs)` returns the new one."""

    make: Callable[[nn.Module, int], nn.Module]
    after: tuple[str | Callable[[Tensor], Tensor], ...] = ()


OneHead = ReplaceLinear | ReplaceConv | ReplaceHead


def mean_of(network: nn.Module, outputs: Sequence[Tensor]) -> Tensor:
    """Return the mean of several heads' outputs (B,K)."""
    del network
    total = outputs[0]
    for output in outputs[1:]:
        total = total + output
    return total / len(outputs)


@dataclass(frozen=True)
class ReplaceSeveral:
    """Several heads, each replaced as its part says; `join(network, outputs)` makes logits (B,K) of their outputs.

    Distilled transformers have two, and answer with the mean. Features are the inputs of all, flattened and side by side.
    """

    parts: tuple[OneHead, ...]
    join: Callable[[nn.Module, Sequence[Tensor]], Tensor] = mean_of

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or any(part.after for part in self.parts):
            raise PluginError(
                "ReplaceSeveral takes two heads or more, none with an `after`", "say in `join` what comes behind them"
            )

    @property
    def path(self) -> str:
        """The modules that are replaced, for messages."""
        return ", ".join(self.paths)

    @property
    def paths(self) -> tuple[str, ...]:
        """The modules that are replaced."""
        return tuple(part.path for part in self.parts)

    @property
    def after(self) -> tuple[()]:
        """Nothing: `join` says what comes behind the heads."""
        return ()


Head = OneHead | ReplaceSeveral


@dataclass(frozen=True, kw_only=True)
class Auxiliary:
    """An extra classifier that a network has while it learns.

    `path` is its module, `head` the one part of it that is replaced, `output` its place in the tuple that the network returns in
    train mode (0 is the main output), `weight` the share of its loss.
    """

    path: str
    head: OneHead
    output: int
    weight: float
