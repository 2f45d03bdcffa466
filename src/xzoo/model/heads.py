"""New heads in place of published ones. They compute in float32, also where the body runs in bfloat16: logits decide ties."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from xzoo.errors import PluginError
from xzoo.zoo.spec import Head, OneHead, ReplaceConv, ReplaceHead, ReplaceSeveral


class LinearHead(nn.Linear):
    """A linear layer outside of autocast."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return input @ weight.T + bias in float32."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


class ConvHead(nn.Conv2d):
    """A convolution outside of autocast."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Return the convolution in float32."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


class SeveralHeads(nn.Module):
    """The heads of a network, its own modules, as one: features (B,F), laid side by side, in; logits (B,K) out.

    `shapes` are those of each head's input, without the batch.
    """

    def __init__(self, network: nn.Module, head: ReplaceSeveral, shapes: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(network.get_submodule(path) for path in head.paths)
        self.shapes = tuple(shapes)
        self.join = functools.partial(head.join, network)

    @property
    def places(self) -> tuple[slice, ...]:
        """Where each head's input lies in the features."""
        ends = list(itertools.accumulate((math.prod(shape) for shape in self.shapes), initial=0))
        return tuple(slice(*pair) for pair in itertools.pairwise(ends))

    def forward(self, features_BF: Tensor) -> Tensor:
        """Return the logits."""
        pieces = zip(self.parts, self.places, self.shapes, strict=True)
        return self.join([part(features_BF[:, place].reshape(-1, *shape)) for part, place, shape in pieces])


def replace_head(network: nn.Module, head: Head, num_outputs: int, name: str) -> None:
    """Put a new module with `num_outputs` outputs where `head` says. Raises PluginError where that is not what it declares."""
    if isinstance(head, ReplaceSeveral):
        for part in head.parts:
            replace_head(network, part, num_outputs, name)
        return
    try:
        old = network.get_submodule(head.path)
    except AttributeError:
        raise PluginError(
            f"{name}: there is no module {head.path!r} to replace",
            f"name the layer that gives the logits: the last ones are {last_layers(network)}",
        ) from None
    parent, _, last = head.path.rpartition(".")
    setattr(network.get_submodule(parent), last, _new_head(network, old, head, num_outputs, name))


def last_layers(network: nn.Module, limit: int = 6) -> str:
    """Return the paths of the linear layers and convolutions, the last ones first, for a person to choose from."""
    kinds = (nn.Linear, nn.Conv2d)
    paths = [f"{name} ({type(module).__name__})" for name, module in network.named_modules() if isinstance(module, kinds)]
    return ", ".join(reversed(paths[-limit:])) or "none"


def run_after(network: nn.Module, after: tuple[str | Callable[[Tensor], Tensor], ...], x: Tensor) -> Tensor:
    """Return what the network makes of the head's output: what `after` names, in order; `flatten` keeps the batch."""
    for step in after:
        if step == "flatten":
            x = x.flatten(1)
        elif isinstance(step, str):
            x = network.get_submodule(step)(x)
        else:
            x = step(x)
    return x


@contextlib.contextmanager
def seeded(*words: object) -> Iterator[None]:
    """Let torch draw from a stream that depends on `words` alone, and leave the caller's own streams as they were."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)
        yield


def _new_head(network: nn.Module, old: nn.Module, head: OneHead, num_outputs: int, name: str) -> nn.Module:
    if isinstance(head, ReplaceHead):
        return head.make(old, num_outputs)
    if isinstance(head, ReplaceConv):
        if not isinstance(old, nn.Conv2d):
            raise PluginError(
                f"{name}: {head.path!r} is {type(old).__name__}, not a convolution",
                f"declare ReplaceLinear or ReplaceHead, or another layer: the last ones are {last_layers(network)}",
            )
        padding = old.padding if isinstance(old.padding, str) else _pair(old.padding)
        shape = (_pair(old.kernel_size), _pair(old.stride), padding, _pair(old.dilation))
        return ConvHead(old.in_channels, num_outputs, *shape, bias=old.bias is not None)
    if not isinstance(old, nn.Linear):
        raise PluginError(
            f"{name}: {head.path!r} is {type(old).__name__}, not a linear layer",
            f"declare ReplaceConv or ReplaceHead, or another layer: the last ones are {last_layers(network)}",
        )
    return LinearHead(old.in_features, num_outputs, bias=old.bias is not None)


def _pair(value: tuple[int, ...]) -> tuple[int, int]:
    return value[0], value[1]
