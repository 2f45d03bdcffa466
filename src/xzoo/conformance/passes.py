"""One forward pass, or one step back as well, and all that can be noticed on the way.

B = images in a batch, C = channels, H, W = pixels, K = outputs
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from xzoo.conformance import anatomy
from xzoo.model.classifier import Classifier
from xzoo.model.cut_check import left_as_it_was
from xzoo.model.heads import seeded


@dataclass(frozen=True, eq=False)
class Seen:
    """A pass in eval mode without gradients. `answer` is what the network returned, `features` a copy of its head's input.

    `head_calls` counts how often each module of the head was called, `changed` names tensors and modes that are otherwise since,
    `shares` what answer and features have their memory in common with.
    """

    answer: Any
    features: Tensor
    head_calls: Mapping[str, int]
    changed: tuple[str, ...]
    shares: tuple[str, ...]
    did_draw: bool
    did_change_images: bool


@dataclass(frozen=True, eq=False)
class Trained:
    """A pass in train mode and back, every stage learning. Of gradients it is kept whether each is there and is not 0."""

    answer: Any
    gradients: Mapping[str, bool | None]
    answer_again: Any

    @property
    def parts(self) -> tuple[Any, ...]:
        """Return the main output and those of auxiliary heads."""
        return tuple(self.answer) if isinstance(self.answer, tuple | list) else (self.answer,)


def look(classifier: Classifier, images_BCHW: Tensor) -> Seen:
    """Run the images through the network in eval mode, and notice everything."""
    network, paths = classifier.network.eval(), classifier.backbone.head.paths
    caught: list[tuple[str, Tensor]] = []
    handles = [_on_entry(network, path, lambda path, given: caught.append((path, given))) for path in paths]
    given_BCHW = images_BCHW.clone()
    before, stream = anatomy.fingerprints(network), torch.get_rng_state()
    try:
        with torch.no_grad():
            answer = network(given_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    after = anatomy.fingerprints(network)
    modes = [f"the mode of {name or 'the network'}" for name, module in network.named_modules() if module.training]
    changed = [name for name, was in before.items() if after.get(name, was) != was]
    return Seen(
        answer=answer,
        features=_side_by_side(paths, dict(caught)).clone(),
        head_calls={path: sum(one == path for one, _ in caught) for path in paths},
        changed=(*changed, *modes),
        shares=tuple(
            _shares(network, given_BCHW, {"its output": answer, **{f"the input of {path}": one for path, one in caught}})
        ),
        did_draw=not torch.equal(stream, torch.get_rng_state()),
        did_change_images=not torch.equal(given_BCHW, images_BCHW),
    )


class _ReachedHeadError(Exception):
    """Ends a pass at the head; never leaves this module."""


def features_of(network: nn.Module, paths: Sequence[str], images_BCHW: Tensor) -> Tensor:
    """Return the input of the head, the modules at `paths`, in the type of the network's own tensors."""
    caught: dict[str, Tensor] = {}

    def catch(path: str, given: Tensor) -> None:
        caught[path] = given
        if len(caught) == len(paths):
            raise _ReachedHeadError

    handles = [_on_entry(network, path, catch) for path in paths]
    kind = next(network.parameters()).dtype
    try:
        with torch.no_grad(), contextlib.suppress(_ReachedHeadError):
            network(images_BCHW.to(kind))
    finally:
        for handle in handles:
            handle.remove()
    return _side_by_side(paths, caught)


def _on_entry(network: nn.Module, path: str, call: Callable[[str, Tensor], object]) -> RemovableHandle:
    def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        call(path, inputs[0])

    return network.get_submodule(path).register_forward_pre_hook(hook)


def _side_by_side(paths: Sequence[str], caught: Mapping[str, Tensor]) -> Tensor:
    """Return one head's input as it is, the inputs of several flattened and side by side; nothing where one was not reached."""
    if any(path not in caught for path in paths):
        return torch.empty(0)
    return caught[paths[0]] if len(paths) == 1 else torch.cat([caught[path].flatten(1) for path in paths], 1)


def _shares(network: nn.Module, images_BCHW: Tensor, given: Mapping[str, Any]) -> Iterator[str]:
    owners = {tensor.untyped_storage().data_ptr(): name for name, tensor in anatomy.named_tensors(network).items()}
    owners[images_BCHW.untyped_storage().data_ptr()] = "the images"
    for what, tensor in given.items():
        if isinstance(tensor, Tensor) and tensor.numel() and tensor.untyped_storage().data_ptr() in owners:
            yield f"{what} and {owners[tensor.untyped_storage().data_ptr()]}"


def step_back(classifier: Classifier, images_BCHW: Tensor) -> Trained:
    """Run the images forwards in train mode and backwards, then forwards again with the same seed, and leave all as it was."""
    with left_as_it_was(classifier):
        classifier.learn(dict.fromkeys(classifier.stages, 1.0))
        with seeded("train mode"), other_streams(0):
            answer = classifier.network(images_BCHW)
            _weighed(answer).backward()  # type: ignore[no-untyped-call]
        gradients = _gradients(classifier.network)
    with left_as_it_was(classifier), torch.no_grad():
        classifier.learn(dict.fromkeys(classifier.stages, 1.0))
        with seeded("train mode"), other_streams(1):
            again = classifier.network(images_BCHW)
    return Trained(answer, gradients, again)


def eval_gradients(classifier: Classifier, images_BCHW: Tensor) -> Mapping[str, bool | None]:
    """Return of every parameter whether its gradient is there and is not 0 when nothing is dropped and no batch is normalised."""
    with left_as_it_was(classifier):
        classifier.learn(dict.fromkeys(classifier.stages, 1.0))
        classifier.network.eval()
        _weighed(classifier.network(images_BCHW)).backward()  # type: ignore[no-untyped-call]
        return _gradients(classifier.network)


def _gradients(network: nn.Module) -> dict[str, bool | None]:
    return {name: None if one.grad is None else bool(one.grad.any()) for name, one in network.named_parameters()}


def _weighed(answer: Any) -> Tensor:
    """Return a loss to which every output contributes with a weight of its own, so that no gradient cancels by symmetry."""
    parts = [part.float() for part in (answer if isinstance(answer, tuple | list) else (answer,)) if isinstance(part, Tensor)]
    return torch.stack([(part * torch.linspace(1, 2, part.numel()).view(part.shape)).sum() for part in parts]).sum()


@contextlib.contextmanager
def other_streams(number: int) -> Iterator[None]:
    """Seed the random streams that a network must not draw from, and put them back afterwards."""
    python, of_numpy = random.getstate(), np.random.get_state(legacy=True)
    random.seed(number)
    np.random.seed(number)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)
