"""The images that a network takes: channels, sizes, and the preprocessing that its source publishes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from torch import Tensor

from xzoo.conformance.check import check
from xzoo.conformance.published import differences
from xzoo.conformance.subject import Subject
from xzoo.conformance.trials import Trial, attempt
from xzoo.conformance.verdicts import Fault, InapplicableError, Note
from xzoo.zoo.spec import Preprocess
from xzoo.zoo.wording import told

STEP = 32
"""Pixels by which another size differs: what networks halve five times over divides by it."""

_FIXED = "fixed_size=True, or pool to one place before the head"

USUAL_SIDES = (224, 256, 128, 96, 64, 32, 112, 160, 192, 240, 288, 299, 320, 331, 380, 384, 448, 512)


@check
def channels(on: Subject) -> Iterator[Fault]:
    """The network takes images of every declared preprocessing, one image alone in eval mode included."""
    tried: set[tuple[int, tuple[int, int]]] = set()
    for what, preprocess in _inputs(on).items():
        key = preprocess.num_channels, preprocess.shape
        if key not in tried:
            tried.add(key)
            for batch, training in ((2, True), (1, False)):
                if wrong := _refusal(on, preprocess.shape, preprocess.num_channels, batch, training):
                    yield Fault(
                        f"the network does not take images of {what}, {_words(preprocess)}: {wrong}",
                        _instead(on, preprocess.num_channels, batch, training),
                    )
                    break


def _instead(on: Subject, num_channels: int, batch: int, training: bool) -> str:
    """Return what to declare: the first of the usual sizes, then of the usual channels, that the network takes."""
    for count, side in itertools.product(dict.fromkeys((num_channels, 3, 1)), USUAL_SIDES):
        if not _refusal(on, (side, side), count, batch, training):
            return f"preprocess=xzoo.Preprocess(size={side}, mean=..., std=...) with {count} of each: that it takes"
    return "preprocess=xzoo.Preprocess(size=..., mean=..., std=...): a mean and a std per channel"


@check
def sizes(on: Subject) -> Iterator[Fault | Note]:
    """The network takes images of min_size and, unless its size is fixed, of a size between and one above its own."""
    if on.backbone.fixed_size:
        raise InapplicableError("its size is fixed")
    own, smallest = max(on.preprocess.shape), max(1, on.backbone.min_size)
    at_smallest, above = _refused_in_a_mode(on, smallest), _refused_in_a_mode(on, own + STEP)
    if smallest < own and at_smallest and above:
        yield Fault(
            f"the network takes images of neither {smallest} x {smallest} nor {own + STEP} x {own + STEP} {above}",
            _FIXED,
        )
        return
    if at_smallest:
        works = _smallest_that_works(on, smallest, own)
        yield Fault(f"the network does not take images of {smallest} x {smallest} {at_smallest}", f"min_size={works}")
    elif smallest > 1 and not _refused_in_a_mode(on, smallest - 1):
        yield Note(f"images of {smallest - 1} x {smallest - 1} work too, and min_size is {smallest}")
    between = (smallest + own) // 2
    for side in {between // STEP * STEP or between, own + STEP} - {smallest}:
        if side > smallest and (wrong := above if side == own + STEP else _refused_in_a_mode(on, side)):
            yield Fault(f"the network does not take images of {side} x {side} {wrong}", _FIXED)


def _refused_in_a_mode(on: Subject, side: int) -> str:
    """Return in which mode, and why, the network does not take images of this size, or nothing."""
    for training in (False, True):
        if wrong := _refusal(on, (side, side), on.preprocess.num_channels, 2, training):
            return f"in {'train' if training else 'eval'} mode: {wrong}"
    return ""


def _smallest_that_works(on: Subject, fails: int, works: int) -> int:
    """Return the smallest side, between one that fails and one that works, as if all above it worked too."""
    while works - fails > 1:
        between = (fails + works) // 2
        if _refused_in_a_mode(on, between):
            fails = between
        else:
            works = between
    return works


@check
def fixed_size(on: Subject) -> Iterator[Fault]:
    """Where a fixed size is declared, the next smaller and the next larger size do not both work."""
    if not on.backbone.fixed_size:
        raise InapplicableError("any size from min_size on is declared to work")
    height, width = on.preprocess.shape
    sizes = [(height + more, width + more) for more in (-STEP, STEP) if min(height, width) + more > 0]
    if not any(_refusal(on, size, on.preprocess.num_channels, 2, training=False) for size in sizes):
        told = " and ".join(f"{one} x {other}" for one, other in sizes)
        yield Fault(f"the network takes images of {told} too", "fixed_size=False, and min_size=...")


@check
def preprocessing(on: Subject) -> Iterator[Fault]:
    """Preprocessing is the one that torchvision or timm publishes with the same weights."""
    found = differences(on)
    if found is None:
        raise InapplicableError("its network is not torchvision's or timm's, or has no published weights")
    for what, ours, theirs in found:
        yield Fault(f"{what} is declared as {ours}, and published as {theirs}", f"Preprocess({what.rpartition(' ')[2]}={theirs})")


def _inputs(on: Subject) -> dict[str, Preprocess]:
    weights = {f"the weights {one.name}": one.preprocess for one in on.backbone.weights}
    return weights or {"the backbone": on.backbone.preprocess}


def _refusal(on: Subject, size: tuple[int, int], num_channels: int, batch: int, training: bool) -> str:
    """Return why the network does not take such images, or nothing."""
    try:
        answer = attempt(on, Trial(size=size, num_channels=num_channels, batch=batch, training=training))
    except Exception as error:
        return told(error)
    first = answer[0] if isinstance(answer, tuple | list) and answer else answer
    if isinstance(first, Tensor) and first.dim() and first.shape[0] != batch:
        return f"it gives {first.shape[0]} rows for {batch} images"
    return ""


def _words(preprocess: Preprocess) -> str:
    return f"{preprocess.num_channels} x {preprocess.shape[0]} x {preprocess.shape[1]}"
