"""What each part of a network costs and hands on: multiply-accumulates and output of every stage and of the head."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from xzoo.model.ownership import HEAD

Shape = tuple[int, ...]


@dataclass(eq=False)
class Parts:
    """A forward pass of one image followed from module to module; `watch` is entered while it runs.

    What is computed between two modules, and modules without tensors, belong to the stage before them. A stage's `output` is what
    it hands on to the next stage, pooled where the network pools in between; the last stage's is what its own last module gives.
    Shapes are without the batch; () where there is none to tell. `features` is what the head takes.
    """

    network: nn.Module
    stages: Sequence[str]
    tensor_owner: Mapping[str, str]
    gmacs: dict[str, float] = field(default_factory=dict)
    output: dict[str, Shape] = field(default_factory=dict)
    features: Shape = ()
    _inside: list[str] = field(default_factory=list)
    _current: str = ""
    _after: Shape = ()
    _counted: float = 0.0

    @contextmanager
    def watch(self, total: Callable[[], float]) -> Iterator[None]:
        """Note, for as long as it is entered, which part the growing `total()` of operations is spent in."""
        self.gmacs, self.output = dict.fromkeys([*self.stages, HEAD], 0.0), {}
        self._inside, self._current, self._after, self._counted, self.features = [], self.stages[0], (), total(), ()
        owners = _owners(self.network, self.tensor_owner)
        handles = []
        for name, module in self.network.named_modules():
            if name not in owners or owners[name]:
                owner = owners.get(name, "")
                handles += [
                    module.register_forward_pre_hook(self._entering(owner, total)),
                    module.register_forward_hook(self._leaving(owner, total)),
                ]
        try:
            yield
            self._count(total)
        finally:
            for handle in handles:
                handle.remove()

    def _entering(self, owner: str, total: Callable[[], float]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            del module
            self._count(total)
            active = owner or self._active
            if active != self._current and not self._inside:
                self._hand_on(active)
            if active == HEAD and not self.features:
                self.features = _shape(inputs)
            self._inside.append(active)

        return note

    def _leaving(self, owner: str, total: Callable[[], float]) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            del module, inputs
            self._count(total)
            active, shape = self._inside.pop(), _shape(output)
            known = self.output.get(active, ())
            if owner and not (known and set(shape[1:]) == {1}):  # A norm behind the last pooling says nothing of the stage.
                self.output[active], self._after = shape, ()
            elif not owner and not self._inside and len(shape) >= len(known):
                self._after = shape

        return note

    def _hand_on(self, to: str) -> None:
        """Leave the current part for another: what was pooled behind a stage is its output, unless the head comes next."""
        if self._after and to != HEAD and self._current in self.output:
            self.output[self._current] = self._after
        self._current, self._after = to, ()

    def _count(self, total: Callable[[], float]) -> None:
        now = total()
        self.gmacs[self._active] = self.gmacs.get(self._active, 0.0) + (now - self._counted) / 2e9
        self._counted = now

    @property
    def _active(self) -> str:
        return self._inside[-1] if self._inside else self._current


def _owners(network: nn.Module, tensor_owner: Mapping[str, str]) -> dict[str, str]:
    """Return for each module that holds parameters the one part that all of them belong to, and "" where there are several."""
    found: dict[str, str] = {}
    for name, _ in network.named_parameters(remove_duplicate=False):
        owner, inside = tensor_owner.get(name, ""), name
        while inside:
            inside = inside.rpartition(".")[0]
            found[inside] = owner if found.get(inside, owner) == owner else ""
    return found


def _shape(value: Any) -> Shape:
    """Return the shape of a tensor, or of the first in a tuple or a mapping, without the batch."""
    if isinstance(value, Tensor):
        return tuple(value.shape[1:])
    if isinstance(value, dict):
        value = tuple(value.values())
    return next((shape for one in value if (shape := _shape(one))), ()) if isinstance(value, tuple | list) else ()
