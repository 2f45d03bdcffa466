"""What a node does: it opens what it is told of, computes a job's cells, and tells each thing that comes of it at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from xzoo.compare.cluster.brief import Brief, take_over, versions
from xzoo.compare.cluster.messages import Came, CannotLearnTogether, Lacks, Measured, OnAnotherGpu, Seen, Stopped
from xzoo.compare.cluster.opened import Opened, got, make_ready, name_here, open_plan
from xzoo.errors import StorageError, UnavailableError, XzooError

if TYPE_CHECKING:
    from xzoo.compare.cluster.jobs import Job, Part

_gpus: list[str | None] = []


def look(told: Sequence[Any]) -> Seen:
    """Return whether this node has what the plan needs: the same versions, and every backbone as it was declared."""
    brief: Brief = got(told[0])
    take_over(brief.variables)
    node, here = name_here(), versions()
    odd = [
        f"{name} {here[name] or 'nowhere'} instead of {wanted}" for name, wanted in brief.versions.items() if here[name] != wanted
    ]
    if odd:
        remedy = "install the same versions on every node"
        return Seen(node, UnavailableError(f"node {node} has {', '.join(odd)}", remedy))
    for one in brief.choices.values():
        try:
            one.found()
        except Exception as error:
            told_by = error if isinstance(error, XzooError) else UnavailableError(f"{one.label}: {type(error).__name__}: {error}")
            return Seen(node, UnavailableError(f"node {node}: {told_by.text}", told_by.remedy or "install it on every node"))
    return Seen(node, None)


def carry_out(told: Sequence[Any], job: Job, sent: Mapping[str, Any]) -> Iterator[object]:
    """Yield what comes of a job: `Came` and `Measured`, and last what ended it early, if anything did.

    `told` holds the reference of the Brief, and `sent` references of bytes that the node lacked: the pack's by file, weights' by
    label.
    """
    try:
        if (other := _of_another_gpu()) is not None:
            yield other
            return
        opened = open_plan(told, sent)
        if isinstance(opened, Lacks):
            yield opened
            return
        for part in job.parts:
            if (lacks := make_ready(opened, part.label, sent)) is not None:
                yield lacks
                return
            yield from _computed(opened, part)
    except StorageError as error:
        yield Stopped(StorageError(f"node {name_here()}: {error.text}", error.remedy))


def _computed(opened: Opened, part: Part) -> Iterator[object]:
    import torch

    from xzoo.compare.finishing import Output
    from xzoo.compare.items import alone, facts_of, failure, several
    from xzoo.compare.together import Begun
    from xzoo.train import memory
    from xzoo.train.deterministic import deterministic

    prepared, plan, device = opened.ready[part.label], opened.plan, opened.device
    if isinstance(prepared, Exception):
        yield from (Came(cell.id, failure(cell, prepared)) for cell in part.cells)
        return
    memory.keep_freed()
    with deterministic(device):
        if part.measured and (facts := facts_of(plan, device, prepared, part.measured)):
            yield Measured(part.label, replace(facts, node=opened.node))
        items = None
        if part.together:
            yield Came(part.cells[0].id, Begun())
            items = several(plan, opened.folder, device, prepared, part.cells)
        if items is None and len(part.cells) > 1:
            yield CannotLearnTogether()
            return
        if items is None:
            items = iter(()) if not part.cells else alone(plan, opened.folder, device, prepared, part.cells[0])
        for cell, item in items:
            if isinstance(item, Output):
                surroundings = {**item.result.environment, "node": opened.node}
                yield Came(cell.id, replace(item, result=replace(item.result, environment=surroundings)))
            else:
                yield Came(cell.id, failure(cell, item) if isinstance(item, Exception) else item)
    memory.give_back()
    if device.runs_ahead:
        torch.cuda.empty_cache()  # another job's process may share this GPU


def _of_another_gpu() -> OnAnotherGpu | None:
    """Tell where this process has used another GPU: CUDA reads which one is visible when it begins, and never again."""
    import torch

    now = os.environ.get("CUDA_VISIBLE_DEVICES")
    if torch.cuda.is_initialized() and _gpus and _gpus[0] != now:  # type: ignore[no-untyped-call]
        return OnAnotherGpu()
    _gpus[:] = [now]
    return None
