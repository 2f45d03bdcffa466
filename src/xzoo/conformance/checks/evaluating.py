"""Eval mode is a fixed function of one image: of nothing else, and with no trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from xzoo.conformance.check import check
from xzoo.conformance.numerics import deviation, really_differs
from xzoo.conformance.passes import features_of
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault

_SHOWN = 3


@check
def leaves_images(on: Subject) -> Iterator[Fault]:
    """A forward pass leaves its images as they are, and gives memory of its own."""
    if on.seen.did_change_images:
        yield Fault("a forward pass changes the images that it is given", "write x = x * scale in forward(), not x *= scale")
    for shared in on.seen.shares:
        yield Fault(f"{shared} share their memory", "return a tensor of its own: .clone() in forward()")
    with torch.no_grad():
        first = on.alive.network(on.images_BCHW[:1])
        kept = first.clone() if isinstance(first, Tensor) else None
        on.alive.network(on.images_BCHW[1:2])
    if kept is not None and not torch.equal(kept, first):
        yield Fault("a second pass changes what the first returned", "return a tensor of its own in each pass")


@check
def alone_as_in_batch(on: Subject) -> Iterator[Fault]:
    """In eval mode an image gives the same alone, in another order, and beside others."""
    images_BCHW = on.images_BCHW
    others_BCHW = torch.cat([images_BCHW[:1], 4 * images_BCHW[1:]])
    backwards = torch.arange(len(images_BCHW)).flip(0)
    for where, given_BCHW, rows in (
        ("alone", images_BCHW[:1], torch.arange(1)),
        ("in another order", images_BCHW[backwards], backwards),
        ("beside others", others_BCHW, torch.arange(1)),
    ):
        if off := _apart(on, given_BCHW, rows):
            yield Fault(
                f"an image {where} gives results that are off by {off:.1e} of what tells images apart",
                "normalise by statistics that are kept (track_running_stats=True), never by those of the batch",
            )
            return


def _apart(on: Subject, given_BCHW: Tensor, rows: Tensor) -> float:
    """Return how far the network's answer for some images is from its answer for `rows` of all; 0 where that is rounding."""
    paths, alive, images_BCHW = on.backbone.head.paths, on.alive, on.images_BCHW
    expected, expected_logits = on.seen.features, on.seen.answer

    def in_features(network: nn.Module) -> float:
        kind = next(network.parameters()).dtype
        whole = expected if kind == expected.dtype else features_of(network, paths, images_BCHW)
        return _by_spread(features_of(network, paths, given_BCHW)[: len(rows)], whole, rows)

    off = in_features(alive.network)
    if really_differs(off, alive.network, in_features, lambda network: features_of(network, paths, images_BCHW)):
        return off

    def logits_of(network: nn.Module, of_BCHW: Tensor = images_BCHW) -> Any:
        return network(of_BCHW.to(next(network.parameters()).dtype))

    def in_logits(network: nn.Module) -> float:
        is_exact = next(network.parameters()).dtype != expected_logits.dtype
        whole, logits = logits_of(network) if is_exact else expected_logits, logits_of(network, given_BCHW)
        return _by_spread(logits[: len(rows)], whole, rows) if isinstance(logits, Tensor) else 0.0

    with torch.no_grad():
        off = in_logits(alive.network)
    return off if really_differs(off, alive.network, in_logits, logits_of) else 0.0


def _by_spread(found: Tensor, whole: Tensor, rows: Tensor) -> float:
    """Return the deviation of some rows by the spread of all."""
    if found.shape[1:] != whole.shape[1:] or len(found) != len(rows):
        return float("inf")
    filled = whole.clone()
    filled[rows] = found
    return deviation(filled, whole)


@check
def eval_repeats(on: Subject) -> Iterator[Fault]:
    """In eval mode the same images give the same to the last bit, and nothing is drawn."""
    seen = on.seen
    with torch.no_grad():
        again = on.alive.network(on.images_BCHW)
    if isinstance(again, Tensor) and isinstance(seen.answer, Tensor) and not torch.equal(again, seen.answer):
        yield Fault(
            f"a second pass gives logits that are off by {deviation(again, seen.answer):.1e}",
            "F.dropout(x, training=self.training): functions do not know the mode by themselves",
        )
    if seen.did_draw:
        yield Fault("a pass in eval mode draws random numbers", "draw only where self.training says so")


@check
def eval_changes_nothing(on: Subject) -> Iterator[Fault]:
    """A pass in eval mode leaves parameters, buffers and modes as they are."""
    changed = on.seen.changed
    if changed:
        yield Fault(
            f"a pass in eval mode changes {len(changed)} tensors or modes: {', '.join(changed[:_SHOWN])}",
            "update buffers only where self.training says so, and let forward() switch no mode",
        )


@check
def modes(on: Subject) -> Iterator[Fault]:
    """train() and eval() reach every module."""
    stuck = on.built.stuck
    if stuck:
        yield Fault(
            f"{len(stuck)} modules are {', '.join(stuck[:_SHOWN])}",
            "do not override train(): freeze strategies decide what stays in eval mode",
        )
