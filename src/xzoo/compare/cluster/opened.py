"""A plan as a process of a node has it: opened once, its pack and weights where they lie or brought here."""

from __future__ import annotations

import contextlib
import os
import socket
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xzoo import durable
from xzoo.compare.cluster.brief import Brief, ToldChoice, take_over
from xzoo.compare.cluster.messages import PACK, Lacks
from xzoo.data import cache
from xzoo.errors import StorageError, WeightsError
from xzoo.model import fetch, verified
from xzoo.zoo.spec import Choice, FileStart, Weights

if TYPE_CHECKING:
    from xzoo.compare.plan import Plan
    from xzoo.data.pack import Pack
    from xzoo.runs.store import RunFolder
    from xzoo.train.device import Device
    from xzoo.train.prepared import Prepared

_KEPT = 2
"""Networks made ready that stay for the next job."""


@dataclass(eq=False)
class Opened:
    """A plan as this process works on it: `ready` are the networks of its last jobs."""

    brief: Brief
    plan: Plan
    folder: RunFolder | None
    device: Device
    node: str
    ready: OrderedDict[str, Prepared | Exception] = field(default_factory=OrderedDict)


_opened: dict[str, Opened] = {}


def open_plan(told: Sequence[Any], sent: Mapping[str, Any]) -> Opened | Lacks:
    """Return the plan opened in this process, once; or that the node does not hold its pack."""
    import torch

    key = told[0].hex()
    if key not in _opened:
        brief: Brief = got(told[0])
        take_over(brief.variables)
        pack = _in(brief.root, brief) or brief.pack.opened()
        if pack is None and PACK not in sent:
            return Lacks(PACK)
        if pack is None:
            pack = brief.pack.brought({name: got(content) for name, content in sent[PACK].items()})
        _opened.clear()
        _opened[key] = Opened(brief, replace(brief.plan, pack=pack), brief.run_folder, brief.device, name_here())
    opened = _opened[key]
    torch.set_num_threads(opened.device.threads)
    return opened


def _in(root: Path, brief: Brief) -> Pack | None:
    """Return the pack as the driver's cache holds it, where this node sees that; features are shared there from now on."""
    before = os.environ.get("XZOO_CACHE")
    os.environ["XZOO_CACHE"] = str(root)
    if (pack := brief.pack.opened()) is None:
        os.environ.pop("XZOO_CACHE")
        os.environ.update({} if before is None else {"XZOO_CACHE": before})
    return pack


def make_ready(opened: Opened, label: str, sent: Mapping[str, Any]) -> Lacks | None:
    """Have a backbone built and loaded; what goes wrong with it is an error of its cells."""
    if label in opened.ready:
        opened.ready.move_to_end(label)
        return None
    choice = opened.brief.choices[label]
    found: Prepared | Exception | None
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
        durable.write_bytes(copy, got(content[0]).tobytes())
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


def got(reference: Any) -> Any:
    """Return what lies in the object store."""
    import ray

    return ray.get(reference)


def name_here() -> str:
    """Return this node's name: the machine's, and the beginning of its number in the cluster."""
    import ray

    return f"{socket.gethostname()}-{ray.get_runtime_context().get_node_id()[:8]}"
