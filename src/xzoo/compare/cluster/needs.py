"""What a job asks of a node: cores, a share of a GPU, memory; from the forecast that `--dry-run` shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from xzoo.compare import workload
from xzoo.compare.bench import input_of
from xzoo.compare.cluster.nodes import Node
from xzoo.compare.plan import Plan
from xzoo.compare.workload import Load
from xzoo.runs.result import Cell
from xzoo.train.device import Device
from xzoo.train.recipe import make as make_recipe

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Parts of a GPU that a job may ask for; what needs more has one of its own."""

CONTEXT_GB = 0.8
"""What a process takes of a GPU's memory before it holds a tensor: CUDA's context, and libraries' workspaces."""

_STEP_BYTES = 1 << 28
"""Memory is asked for in steps: tasks that ask for the same run in the same processes, one after the other."""


@dataclass(frozen=True)
class Needs:
    """Cores, GPUs and bytes that a task asks for, and the node it must run on where that is chosen."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0
    node: str = ""


@dataclass(eq=False)
class Needing:
    """What the cells of a plan need on these nodes. `gpu_gb` is the memory of a GPU in 10^9 bytes."""

    plan: Plan
    device: Device
    nodes: Sequence[Node]
    gpu_gb: float = 0.0
    _loads: dict[tuple[str, int], Load | None] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """Jobs that run at a time where they ask for no more than the least."""
        if self.device.runs_ahead:
            return int(sum(node.gpus for node in self.nodes) / SHARES[0])
        return int(sum(node.cpus // max(1, self.device.threads) for node in self.nodes))

    def of(self, label: str, cells: Sequence[Cell]) -> Needs:
        """Return what the largest of these cells of a backbone needs, no more than a node has."""
        sizes = [self._memory_gb(label, cell) for cell in cells]
        known = [size for size in sizes if size is not None]
        gpus = 0.0
        cpus = float(self.device.threads)
        if self.device.runs_ahead:
            gpus = share_of(max(known), self.gpu_gb) if known and len(known) == len(sizes) else 1.0
            cpus = max(1.0, math.floor(cpus * gpus))
        memory = math.ceil(max(known, default=0.0) * 1e9 / _STEP_BYTES) * _STEP_BYTES
        suited = [node for node in self.nodes if node.gpus >= gpus] or list(self.nodes)
        cpus = min(cpus, max((node.cpus for node in suited), default=cpus))
        return Needs(cpus, gpus, int(min(memory, max((node.memory for node in suited), default=0.0))))

    def of_quiet(self) -> Needs:
        """Return all of one node, the largest, for what is timed."""
        chosen = max(self.nodes, key=lambda node: (node.gpus if self.device.runs_ahead else 0.0, node.cpus, node.id))
        return Needs(chosen.cpus, min(chosen.gpus, 1.0) if self.device.runs_ahead else 0.0, 0, chosen.id)

    def _memory_gb(self, label: str, cell: Cell) -> float | None:
        recipe = make_recipe(cell.recipe)
        if (label, recipe.size) not in self._loads:
            choice = self.plan.choices[label]
            try:
                self._loads[label, recipe.size] = workload.count(choice, input_of(choice, recipe))
            except Exception:  # a network that cannot be counted says so itself, where it is trained
                self._loads[label, recipe.size] = None
        load = self._loads[label, recipe.size]
        return None if load is None else workload.memory_gb(load, cell.freeze, recipe, len(self.plan.pack))


def share_of(memory_gb: float, gpu_gb: float) -> float:
    """Return the part of a GPU that a process of so much memory asks for: an eighth, a quarter, a half or all of it."""
    asked = (memory_gb - workload.PROCESS_GB + CONTEXT_GB) / gpu_gb if gpu_gb else 1.0
    return next((share for share in SHARES if asked <= share), 1.0)
