"""What learns when it shall, and what stays when it must."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from xzoo.conformance import memorising
from xzoo.conformance.check import check
from xzoo.conformance.images import draw
from xzoo.conformance.numerics import ROUNDING, deviation
from xzoo.conformance.passes import eval_gradients
from xzoo.conformance.steps import breaches, epochs
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault, Note
from xzoo.model.cut_check import left_as_it_was

_SHOWN = 3
FROZEN_STEPS = 5


@check
def gradients(on: Subject) -> Iterator[Fault]:
    """Every parameter gets a gradient when all stages learn."""
    found = on.trained.gradients
    missing = [name for name, is_there in found.items() if is_there is None]
    if missing:
        yield Fault(
            f"{len(missing)} parameters get no gradient in train mode: {', '.join(missing[:_SHOWN])}",
            "use them in forward(), without detach() or no_grad() behind them, or take them out in build()",
        )
    zero = {name for name, is_there in found.items() if is_there is False}
    for size in (on.size, on.preprocess.shape):
        # A dropped path, a normalised batch or one single place of attention may bring a gradient to 0.
        if zero:
            again = eval_gradients(on.alive, draw(2, on.preprocess.num_channels, size))
            zero = {name for name in zero if not again[name]}
    if zero:
        names = sorted(zero)
        yield Fault(
            f"{len(names)} parameters get a gradient that is 0: {', '.join(names[:_SHOWN])}",
            "let the logits depend on them, or take them out in build()",
        )


@check
def training_by_seed(on: Subject) -> Iterator[Fault]:
    """In train mode the same images with the same seed of torch give the same."""
    trained = on.trained
    again = trained.answer_again
    others = tuple(again) if isinstance(again, tuple | list) else (again,)
    off = max((deviation(a, b) for a, b in zip(others, trained.parts, strict=True)), default=0.0)
    if off > ROUNDING:
        yield Fault(
            f"a second pass in train mode is off by {off:.1e}",
            "draw from torch's stream alone in forward(): torch.rand, not random, numpy, a generator or a clock",
        )


@check
def frozen(on: Subject) -> Iterator[Fault]:
    """Under `frozen` nothing but the head moves in five steps, buffers included, and features stay what they were."""
    with left_as_it_was(on.alive):
        on.alive.learn({})
        with torch.no_grad():
            off = deviation(on.alive.features(on.images_BCHW), on.seen.features)
    if off > ROUNDING:
        yield Fault(
            f"features are off by {off:.1e} while the head alone is in train mode",
            "let every part of forward() go by the mode of its own module: F.dropout(x, training=self.training)",
        )
    yield from _trained(on, "frozen", num_steps=FROZEN_STEPS)


@check
def last(on: Subject) -> Iterator[Fault]:
    """Under `last:1` the head and the last stage learn, and nothing else moves."""
    yield from _trained(on, "last:1")


@check
def gradual(on: Subject) -> Iterator[Fault]:
    """Under `gradual:1` one stage more learns in each epoch, from the last to the first, and nothing else moves."""
    yield from _trained(on, "gradual:1", min(3, 1 + len(on.alive.stages)))


@check
def layerwise(on: Subject) -> Iterator[Fault]:
    """Under `layerwise:0.5` every parameter learns."""
    yield from _trained(on, "layerwise:0.5")


def _trained(on: Subject, freeze: str, count: int = 1, num_steps: int = 1) -> Iterator[Fault]:
    alive, before = on.alive, on.seen.features
    moved: dict[str, int] = {}
    still: dict[str, int] = {}
    with left_as_it_was(alive):
        with on.during("steps of training"):
            for epoch in epochs(alive, on.training_images_BCHW, freeze, count, num_steps):
                for found, names in zip((moved, still), breaches(alive, epoch), strict=True):
                    found.update({name: epoch.number for name in names if name not in found})
        alive.network.eval()
        with torch.no_grad():
            after = alive.features(on.images_BCHW) if freeze == "frozen" else before
    yield from _broken(
        freeze,
        "move although they are frozen",
        moved,
        "call no train() in forward(), and keep what a frozen module counts in buffers that self.training guards",
    )
    yield from _broken(freeze, "should learn and do not move", still, "use them in forward(), or take them out in build()")
    if not moved and deviation(after, before) > ROUNDING:
        yield Fault(
            f"under {freeze} features are off by {deviation(after, before):.1e} after {num_steps} steps, and no tensor has moved",
            "keep all that forward() remembers in buffers, and change it where self.training says so",
        )


def _broken(freeze: str, what: str, names: Mapping[str, int], line: str) -> Iterator[Fault]:
    if names:
        first = ", ".join(list(names)[:_SHOWN])
        yield Fault(f"under {freeze} {len(names)} tensors {what} in epoch {min(names.values()) + 1}: {first}", line)


@check
def overfits(on: Subject) -> Iterator[Fault | Note]:
    """From its random start the network learns 16 images by heart, fewer where they cost more than 80 GMACs in all."""
    yield from memorising.attempts(on)
