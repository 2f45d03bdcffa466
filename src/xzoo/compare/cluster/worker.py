"""What a node does: it opens what it is told of, computes a job's cells, and tells each thing that comes of it at once."""

from __future__ import annotations

import contextlib
import os
import socket
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xzoo import durable
from xzoo.compare.cluster.brief import Brief, ToldChoice, versions
from xzoo.data import cache
from xzoo.errors import StorageError, UnavailableError, WeightsError, XzooError
from xzoo.model import fetch, verified
from xzoo.zoo.spec import Choice, FileStart, Weights

if TYPE_CHECKING:
    from xzoo.compare.cluster.jobs import Job, Part
    from xzoo.compare.finishing import Output
    from xzoo.compare.plan import Plan
    from xzoo.compare.resuming import Resumed
    from xzoo.compare.together import Begun
    from xzoo.runs.result import BackboneFacts, CellResult, EpochRecord
    from xzoo.runs.store import RunFolder
    from xzoo.train.device import Device
    from xzoo.train.prepared import Prepared

PACK = "the pack"
_KEPT = 2


@dataclass(frozen=True)
class Lacks:
    """A node does not hold something, the pack or a backbone's weights, and needs its bytes."""

    what: str


@dataclass(frozen=True)
class OnAnotherGpu:
    """This process has begun with another GPU than the one it is now given, and cannot change."""


@dataclass(frozen=True)
class CannotLearnTogether:
    """The heads of these cells are not linear: each is a job of its own."""


@dataclass(frozen=True)
class Measured:
    """What is known of a backbone."""

    label: str
    facts: BackboneFacts


@dataclass(frozen=True, eq=False)
class Came:
    """Something came of a cell: as `together.Item` has it, but an error is the result that it becomes."""

    cell: str
    item: Begun | Resumed | EpochRecord | Output | CellResult


@dataclass(frozen=True)
class Stopped:
    """What ends the whole command: a disk that takes no more."""

    error: StorageError


@dataclass(frozen=True)
class Seen:
    """A node as it introduces itself; `trouble` says why it cannot compute the plan."""

    node: str
    trouble: XzooError | None


@dataclass(eq=False)
class _Opened:
    """A plan as this process works on it: networks that were made ready stay for the next job, the last few of them."""

    brief: Brief
    plan: Plan
    folder: RunFolder | None
    device: Device
    node: str
    ready: OrderedDict[str, Prepared | Exception] = field(default_factory=OrderedDict)


_opened: dict[str, _Opened] = {}
_gpus: list[str | None] = []


def look(told: Sequence[Any]) -> Seen:
    """Return whether this node has what the plan needs: the same versions, and every backbone as it was declared."""
    brief: Brief = _got(told[0])
    node = _name()
    here = versions()
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
        opened = _open(told, sent)
        if isinstance(opened, Lacks):
            yield opened
            return
        for part in job.parts:
            if (lacks := _ready(opened, part.label, sent)) is not None:
                yield lacks
                return
            yield from _computed(opened, part)
    except StorageError as error:
        yield Stopped(StorageError(f"node {_name()}: {error.text}", error.remedy))


def _computed(opened: _Opened, part: Part) -> Iterator[object]:
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


def _open(told: Sequence[Any], sent: Mapping[str, Any]) -> _Opened | Lacks:
    """Return the plan opened in this process, once; or that the node does not hold its pack."""
    import torch

    key = told[0].hex()
    if key not in _opened:
        brief: Brief = _got(told[0])
        pack = _in(brief.root, brief) or brief.pack.opened()
        if pack is None and PACK not in sent:
            return Lacks(PACK)
        if pack is None:
            pack = brief.pack.brought({name: _got(content) for name, content in sent[PACK].items()})
        _opened.clear()
        _opened[key] = _Opened(brief, replace(brief.plan, pack=pack), brief.run_folder, brief.device, _name())
    opened = _opened[key]
    torch.set_num_threads(opened.device.threads)
    return opened


def _in(root: Path, brief: Brief) -> Any:
    """Return the pack as the driver's cache holds it, where this node sees that; features are shared there from now on."""
    before = os.environ.get("XZOO_CACHE")
    os.environ["XZOO_CACHE"] = str(root)
    if (pack := brief.pack.opened()) is None:
        os.environ.pop("XZOO_CACHE")
        os.environ.update({} if before is None else {"XZOO_CACHE": before})
    return pack


def _ready(opened: _Opened, label: str, sent: Mapping[str, Any]) -> Lacks | None:
    """Have a backbone built and loaded; what goes wrong with it is an error of its cells."""
    if label in opened.ready:
        opened.ready.move_to_end(label)
        return None
    choice = opened.brief.choices[label]
    try:
        found = _prepared(choice, sent.get(label))
    except StorageError:
        raise
    except Exception as error:
        found = error
    if found is None:
        return Lacks(label)
    opened.ready[label] = found
    while len(opened.ready) > _KEPT:
        opened.ready.popitem(last=False)
    return None


def _prepared(told: ToldChoice, content: Any) -> Prepared | None:
    """Return a backbone with its weights, whose file lies where the driver has it, in a place of this node, or comes as bytes."""
    from xzoo.train.prepared import prepare

    choice = told.found()
    if not told.sha256:
        return prepare(choice)
    place = fetch.where(choice)
    copy = cache.root() / "weights" / f"{told.sha256}{Path(told.file).suffix}"
    path = next((path for path in (Path(told.file), place, copy) if path and _is(path, told.sha256)), None)
    if path is None and content is None:
        return None
    if path is None:
        durable.write_bytes(copy, _got(content[0]).tobytes())
        path = copy
        if not _is(path, told.sha256):
            raise WeightsError(f"the weights {told.label} did not arrive as they were sent", "run the command again")
    made = prepare(replace(choice, start=_start_at(choice, path)))
    loaded = replace(made.loaded, path=told.file)
    if isinstance(choice.start, Weights):
        loaded = replace(loaded, source=choice.start.url or choice.start.hf or "file")
    return replace(made, choice=choice, loaded=replace(loaded, name=choice.weights_name))


def _start_at(choice: Choice, path: Path) -> Weights | FileStart:
    if isinstance(choice.start, Weights):
        return replace(choice.start, url="", hf="", file=str(path))
    return FileStart(str(path))


def _is(path: Path, sha256: str) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file() and verified.sha256(path, sha256) == sha256
    return False


def _of_another_gpu() -> OnAnotherGpu | None:
    """Tell where this process has used another GPU: CUDA reads which one is visible when it begins, and never again."""
    import torch

    now = os.environ.get("CUDA_VISIBLE_DEVICES")
    if torch.cuda.is_initialized() and _gpus and _gpus[0] != now:
        return OnAnotherGpu()
    _gpus[:] = [now]
    return None


def _got(reference: Any) -> Any:
    import ray

    return ray.get(reference)


def _name() -> str:
    """Return this node's name: the machine's, and the beginning of its number in the cluster."""
    import ray

    return f"{socket.gethostname()}-{ray.get_runtime_context().get_node_id()[:8]}"
