"""What a network holds: its tensors by name, those it hides, a skeleton of it without memory, and the order in which it works."""

from __future__ import annotations

import copy
import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_LOOKS = {"__get__", "size", "dim", "numel", "is_floating_point", "data_ptr", "type"}
"""What asks a tensor about itself without computing with it."""


def named_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers, also those that the state dict leaves out, and the tensors that modules hide."""
    found: dict[str, Tensor] = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    return found | {name: tensor for name, tensor in hidden(network) if isinstance(tensor, Tensor)}


def hidden(network: nn.Module) -> Iterator[tuple[str, Tensor | nn.Module]]:
    """Yield tensors and modules that are plain attributes, also in lists and mappings: no parameter, no buffer, no submodule."""
    own = {id(one) for one in itertools.chain(network.parameters(), network.buffers(), network.modules())}
    for path, module in network.named_modules():
        for name, value in vars(module).items():
            if name not in {"_parameters", "_buffers", "_modules"}:
                yield from ((f"{path}.{name}".lstrip("."), one) for one in _inside(value) if id(one) not in own)


def _inside(value: Any, depth: int = 2) -> Iterator[Tensor | nn.Module]:
    if isinstance(value, Tensor | nn.Module):
        yield value
    elif depth and isinstance(value, list | tuple | set):
        yield from itertools.chain.from_iterable(_inside(one, depth - 1) for one in value)
    elif depth and isinstance(value, dict):
        yield from itertools.chain.from_iterable(_inside(one, depth - 1) for one in value.values())


def fingerprints(network: nn.Module) -> dict[str, str]:
    """Return a short word of every tensor's type, shape and bytes, which changes when they do."""
    return {name: fingerprint(tensor) for name, tensor in named_tensors(network).items()}


def fingerprint(tensor: Tensor) -> str:
    """Return a short word of a tensor's type, shape and bytes."""
    tensor = tensor.detach()
    code = 0
    if tensor.device.type == "cpu" and tensor.layout == torch.strided and tensor.numel():
        code = zlib.crc32(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
    return f"{tensor.dtype} {tuple(tensor.shape)} {code:08x}"


def copied(network: nn.Module, make: Callable[[Tensor], Tensor]) -> nn.Module:
    """Return a copy of the network's structure with the tensors that `make` gives in place of its own."""
    memo: dict[int, Any] = {}
    for tensor in itertools.chain(network.parameters(), network.buffers()):
        made = make(tensor)
        memo[id(tensor)] = nn.Parameter(made, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else made
    return copy.deepcopy(network, memo)


class Uses(TorchFunctionMode):
    """While it is on, remembers in which order a network's parameters are first computed with.

    `order` are the names of parameters, `strangers` descriptions of tensors that would learn and are none of them.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.names = {id(parameter): name for name, parameter in network.named_parameters()}
        self.own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
        self.order: dict[str, int] = {}
        self.strangers: dict[int, str] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Note the parameters among the arguments, and call the function."""
        if (called := getattr(func, "__name__", "")) not in _LOOKS:
            for argument in (*args, *(kwargs or {}).values()):
                for one in argument if isinstance(argument, list | tuple) else (argument,):
                    self._note(one, called)
        return func(*args, **(kwargs or {}))

    def _note(self, value: Any, called: str) -> None:
        if not isinstance(value, Tensor):
            return
        if name := self.names.get(id(value)):
            self.order.setdefault(name, len(self.order))
        elif value.is_leaf and value.requires_grad and value.untyped_storage().data_ptr() not in self.own:
            self.strangers.setdefault(id(value), f"a parameter of shape {tuple(value.shape)} in {called}")
