"""What `build()` gives: a network of its own each time, with random weights that follow the seed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import nn

from xzoo.conformance import anatomy
from xzoo.conformance.check import check
from xzoo.conformance.passes import other_streams
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault

_SHOWN = 3
_FEWEST = 0.5
"""The share of the numbers in weights (matrices and filters) that another seed has to draw anew."""


@check
def builds(on: Subject) -> Iterator[Fault]:
    """build() returns a module with float32 parameters, all of which may learn."""
    dtypes = on.built.dtypes
    if not dtypes:
        yield Fault("the network has no parameters", "return a network with weights from build()")
    odd = [f"{name} ({dtype})" for name, dtype in dtypes.items() if dtype != torch.float32]
    if odd:
        yield Fault(f"{len(odd)} parameters are not float32: {', '.join(odd[:_SHOWN])}", "return network.float() from build()")
    still = [name for name, one in on.built.skeleton.named_parameters() if not one.requires_grad]
    if still:
        yield Fault(
            f"build() switches gradients off for {len(still)} parameters: {', '.join(still[:_SHOWN])}",
            "leave requires_grad alone in build(): freeze strategies decide what learns",
        )


@check
def builds_offline(on: Subject) -> Iterator[Fault]:
    """build() touches neither the network nor files of weights."""
    _ = on.built
    for touched in dict.fromkeys(itertools.chain.from_iterable(heard.touched for heard in on.heard if heard.during == "build()")):
        yield Fault(
            f"build() {touched}", "return random weights from build(), and declare published ones: weights=[xzoo.Weights(...)]"
        )


@check
def builds_anew(on: Subject) -> Iterator[Fault]:
    """Each build() returns a network of its own, which shares nothing with the one before."""
    first, second = on.build(), on.build()
    if first is second:
        yield Fault("build() returns the same network twice", "make the network inside build(), without a cache")
        return
    owned = {id(one) for one in first.modules()}
    modules = [name for name, one in second.named_modules() if id(one) in owned]
    memory = memory_of(first) & memory_of(second)
    if modules or memory:
        what = f"{len(modules)} modules ({', '.join(modules[:_SHOWN])})" if modules else f"the memory of {len(memory)} tensors"
        yield Fault(f"two networks from build() share {what}", "make every module inside build(), none at the head of the file")


@check
def start_by_seed(on: Subject) -> Iterator[Fault]:
    """The start is random and follows torch's seed alone: @random is one start, @random:1 another."""
    built = on.built
    with other_streams(1):
        again = anatomy.fingerprints(on.build(0))
    moved = [name for name, was in built.fingerprints.items() if again.get(name) != was]
    if moved:
        yield Fault(
            f"with the same seed {len(moved)} tensors start otherwise ({', '.join(moved[:_SHOWN])})",
            "draw from torch's stream alone in build(), not from random, numpy, a generator or a clock",
        )
    other = on.build(1)
    weights = {name: one.numel() for name, one in other.named_parameters() if one.dim() > 1}
    drawn = anatomy.fingerprints(other)
    anew = sum(count for name, count in weights.items() if drawn[name] != built.fingerprints.get(name))
    if weights and anew < _FEWEST * sum(weights.values()):
        yield Fault(
            f"with another seed only {anew:,} of {sum(weights.values()):,} weights start otherwise",
            "let build() draw random weights, without a seed of its own, and declare published ones: weights=[xzoo.Weights(...)]",
        )


def memory_of(network: nn.Module) -> set[int]:
    """Return where the memory of a network's tensors begins."""
    tensors = anatomy.named_tensors(network).values()
    return {tensor.untyped_storage().data_ptr() for tensor in tensors if tensor.numel()} - {0}
