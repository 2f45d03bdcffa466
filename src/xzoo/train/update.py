"""An optimiser's step that happens once and whole, also where memory runs out in the middle of it."""

from __future__ import annotations

from torch.optim import Optimizer

from xzoo.train.shortage import MemoryShortageError, tried


def update(optimizer: Optimizer) -> str:
    """Make a step of every group, each once. Return what was said where memory ran out before the first of them.

    A fused optimiser allocates the moments of a group, then changes it, so that a group is changed whole or not at all; one that
    goes from parameter to parameter leaves its mark on each in torch's version counter. What was changed is not changed again.
    Raises MemoryShortageError where memory runs out again behind the first change.
    """
    groups, is_untouched = optimizer.param_groups, True
    try:
        for group in groups:
            optimizer.param_groups = [group]
            if said := _step(optimizer):
                if is_untouched:
                    return said
                raise MemoryShortageError(
                    f"memory ran out in the optimiser's step, with nothing else to free: {said}",
                    "choose a smaller backbone, let fewer stages learn, or choose another device",
                )
            is_untouched = False
    finally:
        optimizer.param_groups = groups
    return ""


def _step(optimizer: Optimizer) -> str:
    """Step the one group that is there, twice if need be; return what was said where nothing of it could be changed."""
    [group] = optimizer.param_groups
    params = [p for p in group["params"] if p.grad is not None]
    held, versions = {p for p in params if optimizer.state.get(p)}, [p._version for p in params]
    said = tried(lambda: optimizer.step() or True).said
    if not said:
        return ""
    gradients = [p.grad for p in params]
    done = [p._version != version for p, version in zip(params, versions, strict=True)]
    for p, is_done in zip(params, done, strict=True):
        if is_done:
            p.grad = None
        elif p not in held:
            # What the failed step had begun to make for it: half of Adam's moments would count as all.
            optimizer.state.pop(p, None)
    again = tried(lambda: optimizer.step() or True).said
    for p, gradient in zip(params, gradients, strict=True):
        p.grad = gradient
    if again and any(done):
        raise MemoryShortageError(
            f"memory ran out in the middle of the optimiser's step: {again}",
            "choose a smaller backbone, let fewer stages learn, or choose another device",
        )
    return again
