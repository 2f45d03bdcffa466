"""Auxiliary heads: there while the network learns, as declared, and gone from what is deployed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from xzoo.conformance.check import check
from xzoo.conformance.subject import NUM_IMAGES, NUM_OUTPUTS, Subject
from xzoo.conformance.verdicts import Fault, InapplicableError
from xzoo.model.cut_check import left_as_it_was
from xzoo.model.heads import seeded


@check
def auxiliary_in_training(on: Subject) -> Iterator[Fault]:
    """In train mode the network returns its logits, and behind them those of the auxiliary heads in their declared places."""
    parts, declared = on.trained.parts, on.backbone.auxiliary
    shapes = [tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in parts]
    if len(parts) != 1 + len(declared) or (declared and not isinstance(on.trained.answer, tuple | list)):
        yield Fault(
            f"in train mode the network returns {len(parts)} outputs, and {len(declared)} auxiliary heads are declared",
            "auxiliary=[xzoo.Auxiliary(path=..., head=..., output=1, weight=0.3)], one per output behind the first",
        )
        return
    for place, shape in enumerate(shapes):
        if shape != (NUM_IMAGES, NUM_OUTPUTS):
            yield Fault(
                f"output {place} in train mode is {shape}, not {(NUM_IMAGES, NUM_OUTPUTS)}",
                "Auxiliary(head=...): name the module that gives its logits",
            )
    places = sorted(one.output for one in declared)
    if places != list(range(1, len(parts))):
        yield Fault(f"auxiliary heads stand in the places {places} of {len(parts)} outputs", "output=1, 2, ...: each place once")
        return
    yield from _misplaced(on)
    for one in declared:
        if not 0 < one.weight <= 1:
            yield Fault(f"the auxiliary head {one.path} has the weight {one.weight}", "weight=0.3: the share of its loss")


def _misplaced(on: Subject) -> Iterator[Fault]:
    """Yield auxiliary heads whose output stands elsewhere in the tuple than declared."""
    declared, alive = on.backbone.auxiliary, on.alive
    if not declared:
        return
    caught: dict[str, Tensor] = {}
    handles = [
        alive.network.get_submodule(one.path).register_forward_hook(
            lambda _module, _inputs, output, path=one.path: caught.update({path: output})
        )
        for one in declared
    ]
    try:
        with left_as_it_was(alive), torch.no_grad(), seeded("train mode"):
            alive.learn(dict.fromkeys(alive.stages, 1.0))
            parts = alive.network(on.images_BCHW)
    finally:
        for handle in handles:
            handle.remove()
    for one in declared:
        if one.path not in caught:
            yield Fault(f"a pass in train mode never calls {one.path}", "Auxiliary(path=...): a module that train mode calls")
        elif not torch.equal(parts[one.output], caught[one.path]):
            right = [place for place, part in enumerate(parts) if torch.equal(part, caught[one.path])]
            yield Fault(f"output {one.output} is not that of {one.path}", f"output={right[0] if right else '...'} for {one.path}")


@check
def auxiliary_out_of_use(on: Subject) -> Iterator[Fault]:
    """In eval mode the network returns one tensor, and its auxiliary heads take no part in it."""
    if not isinstance(on.seen.answer, Tensor):
        yield Fault(
            f"in eval mode the network returns {type(on.seen.answer).__name__}", "return auxiliary outputs in train mode alone"
        )
    for one in on.backbone.auxiliary:
        used = [name for name in on.uses.order if name.startswith(f"{one.path}.")]
        if used:
            yield Fault(
                f"a pass in eval mode computes with {used[0]} of the auxiliary head {one.path}",
                "call auxiliary heads in forward() where self.training says so",
            )
    if not on.backbone.auxiliary and isinstance(on.seen.answer, Tensor):
        raise InapplicableError("it has no auxiliary heads")
