"""What a network is saved as and made from again."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator

import torch
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from xzoo.conformance import anatomy
from xzoo.conformance.check import check
from xzoo.conformance.checks.building import memory_of
from xzoo.conformance.numerics import ROUNDING, deviation
from xzoo.conformance.steps import epochs
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault, InapplicableError
from xzoo.errors import XzooError
from xzoo.model import fetch, weights
from xzoo.model.checkpoint_file import read_tensors, state_dict
from xzoo.model.cut_check import left_as_it_was
from xzoo.zoo.spec import Choice, Weights

_SHOWN = 3


@check
def keeps_keys(on: Subject) -> Iterator[Fault]:
    """A new head changes the name and shape of no tensor but its own, so that a trained network loads where its source's does."""
    heads = (*on.backbone.head.paths, *(one.head.path for one in on.backbone.auxiliary))
    theirs, ours = (
        {n: tuple(t.shape) for n, t in one.state_dict().items() if not _is_below(n, heads)}
        for one in (on.built.skeleton, on.alive.network)
    )
    other = sorted(name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name))
    if other:
        yield Fault(
            f"a new head changes {len(other)} tensors beside its own: {', '.join(other[:_SHOWN])}",
            "let make(old, num_outputs) return a new module, and change nothing else",
        )


@check
def copyable(on: Subject) -> Iterator[Fault]:
    """A deep copy computes the same, and with tensors of its own."""
    alive, alone = on.alive, on.alone
    twin = copy.deepcopy(alive.network)
    shared = memory_of(twin) & memory_of(alive.network)
    if shared:
        yield Fault(
            f"a deep copy shares the memory of {len(shared)} tensors", "hold tensors as parameters and buffers of the module"
        )
    images_BCHW = on.images_BCHW[:1]
    with torch.no_grad():
        off = deviation(twin(images_BCHW), alone.answer)
        if off > ROUNDING:
            yield Fault(f"a deep copy's output is off by {off:.1e}", "keep no state outside of parameters and buffers")
        for tensor in itertools.chain(twin.parameters(), twin.buffers()):
            if tensor.is_floating_point():
                tensor.zero_()
        if deviation(twin(images_BCHW), alone.answer) <= ROUNDING:
            yield Fault(
                "a deep copy computes with the tensors of the network that it was copied from",
                "call modules through self in forward(), not through names that build() has bound",
            )


@check
def round_trip(on: Subject) -> Iterator[Fault]:
    """A trained network, saved as safetensors and loaded into a new one of another start, computes the same."""
    alive = on.alive
    no_tensors = [name for name, value in alive.network.state_dict().items() if not isinstance(value, Tensor)]
    if no_tensors:
        yield Fault(f"the state dict holds what is no tensor: {', '.join(no_tensors[:_SHOWN])}", "keep state in buffers")
        return
    with left_as_it_was(alive):
        with torch.no_grad():
            alive.network.eval()(on.images_BCHW)
        for _ in epochs(alive, on.training_images_BCHW, "finetune"):
            pass
        with torch.no_grad():
            expected = alive.network.eval()(on.images_BCHW)
        saved = from_bytes(to_bytes(alive.learnt(set(alive.tensor_owner.values()))))
        before = anatomy.fingerprints(alive.network)
        other = on.classifier(7)
        with torch.no_grad():
            # What it remembers of its own tensors must not outlive them: the best epoch comes back into a network that was tried.
            other.network.eval()(on.images_BCHW)
            other.restore(saved)
            found = other.network.eval()(on.images_BCHW)
        off = deviation(found, expected)
        if off > ROUNDING:
            after = anatomy.fingerprints(other.network)
            differ = [name for name, was in before.items() if after.get(name) != was]
            yield Fault(
                f"a loaded network is off by {off:.1e} from the one that was saved"
                + (f"; what was not saved is {', '.join(differ[:_SHOWN])}" if differ else ""),
                "register_buffer(..., persistent=True) for what is drawn or learnt, and keep nothing between calls of forward()",
            )


@check
def weights_fit(on: Subject) -> Iterator[Fault]:
    """Published weights that lie on this disk are the published file and hold the network's tensors and all that is left out."""
    here = {one: path for one in on.backbone.weights if (path := fetch.published_path(one)) is None or path.is_file()}
    if not here:
        count = len(on.backbone.weights)
        raise InapplicableError(f"none of {count} published files is on this disk" if count else "it has no published weights")
    for one, path in here.items():
        try:
            with on.during("reading weights"):
                names = list(read_tensors(path) if path is not None else state_dict(one.read() if one.read else {}, one.name))
            weights.load(on.build(), Choice(on.backbone, one))
        except XzooError as error:
            yield Fault(f"the weights {one.name} do not fit: {error.text}", f"leave_out=(...), rename=(...): {error.remedy}")
        except Exception as error:
            if any("network" in what for heard in on.heard if heard.during == "reading weights" for what in heard.touched):
                raise InapplicableError(f"the weights {one.name} are fetched, and there is no network here") from error
            raise
        else:
            yield from _useless(on, one, names)


def _useless(on: Subject, one: Weights, names: list[str]) -> Iterator[Fault]:
    """Yield what the declaration leaves out or renames and the file does not hold."""
    for prefix in on.backbone.leave_out:
        held = [*names, *on.built.skeleton.state_dict()]
        if not any(_is_below(name, (prefix.rstrip("."),)) for name in held):
            yield Fault(
                f"leave_out names {prefix!r}, and neither {one.name} nor the network holds it", f"take {prefix!r} out of it"
            )
    if len(on.backbone.weights) == 1:
        for pattern, _ in on.backbone.rename:
            if not any(re.search(pattern, name) for name in names):
                yield Fault(f"rename names {pattern!r}, and {one.name} holds nothing like it", f"take {pattern!r} out of rename")


def _is_below(name: str, paths: tuple[str, ...]) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in paths)
