"""The nodes of the cluster: which live, what they have to give, and whether they can work on a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from xzoo.compare.cluster.messages import Seen
from xzoo.errors import UnavailableError
from xzoo.train.device import Device

LOOK_SECONDS = 120.0
"""Time in which nodes introduce themselves: each begins a process, and imports torch."""


@dataclass(frozen=True)
class Node:
    """What a node of the cluster has: cores, GPUs, bytes of memory."""

    id: str
    name: str
    cpus: float
    gpus: float
    memory: float


def nodes_here() -> list[Node]:
    """Return the nodes of the cluster that live."""
    import ray

    found = []
    for one in ray.nodes():
        has = one["Resources"]
        if one["Alive"]:
            name = f"{one['NodeManagerHostname']}-{one['NodeID'][:8]}"
            found.append(Node(one["NodeID"], name, has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0)))
    return found


def suited(nodes: Sequence[Node], device: Device) -> list[Node]:
    """Return the nodes that can compute a cell. Raises UnavailableError where none can."""
    found = [node for node in nodes if node.cpus >= 1 and (node.gpus > 0 or not device.runs_ahead)]
    if not found:
        what = "a GPU and a core" if device.runs_ahead else "a core"
        raise UnavailableError(f"no node of the Ray cluster has {what} to give", "add a node, or choose another --device")
    return found


def reason_of(error: Exception) -> str:
    """Return in words why Ray lost a worker."""
    known = {
        "NodeDiedError": "its node is gone",
        "WorkerCrashedError": "its process ended",
        "OutOfMemoryError": "its node ran out of memory, and Ray ended it",
        "TaskCancelledError": "it was cancelled",
    }
    name = type(error).__name__
    return known.get(name, f"{name}: {' '.join(str(error).split())[:200]}")


def look_at(nodes: Sequence[Node], told: Sequence[Any], look: Callable[..., Seen]) -> None:
    """Have every node introduce itself by what `look` says there.

    Raises UnavailableError for one that lacks something or does not answer.
    """
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(look)
    asked = {
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(told): node for node in nodes
    }
    ready, silent = ray.wait(list(asked), num_returns=len(asked), timeout=LOOK_SECONDS)
    if silent:
        names = ", ".join(asked[one].name for one in silent)
        raise UnavailableError(f"no answer came from {names} in {LOOK_SECONDS:.0f} s", "look at these nodes with `ray status`")
    for one in ready:
        try:
            seen = ray.get(one)
        except RayTaskError as error:
            what = f"{type(error.cause).__name__}: {error.cause}"
            raise UnavailableError(
                f"node {asked[one].name} cannot work on this plan: {what}", "pip install 'xzoo[ray]' there, and its plugins"
            ) from error
        except RayError:
            continue  # it is gone by now; what is handed to it is lost and handed out again
        if seen.trouble is not None:
            raise seen.trouble


def gpu_gb(device: Device) -> float:
    """Return the memory of this machine's GPU in 10^9 bytes; 0 without one."""
    if not device.runs_ahead:
        return 0.0
    import torch

    return float(torch.cuda.get_device_properties(device.kind).total_memory) / 1e9
