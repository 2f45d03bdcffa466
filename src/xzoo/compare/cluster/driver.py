"""The driver: it hands jobs to the cluster, writes what comes back, and hands lost ones out again. It alone writes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xzoo.compare.cluster import worker
from xzoo.compare.cluster.brief import Brief
from xzoo.compare.cluster.jobs import Job, Queue, jobs_of
from xzoo.compare.cluster.needs import Needing, Node
from xzoo.compare.experiment import CellEnded, CellLost, CellResumed, CellStarted, EpochEnded, Event, keep, knows, label_of
from xzoo.compare.finishing import Output, failed
from xzoo.compare.items import failure
from xzoo.compare.plan import Plan
from xzoo.compare.resuming import Resumed
from xzoo.compare.sharing import Sharing
from xzoo.data import moving
from xzoo.errors import UnavailableError
from xzoo.model import fetch
from xzoo.runs.result import Cell, CellResult, EpochRecord
from xzoo.train.device import Device

MOST_LOSSES = 3
"""Workers that may be lost over a job before its cells count as failed: what ends three processes will end a fourth."""

LOOK_SECONDS = 120.0
GRACE_SECONDS = 20.0
"""Time in which nodes introduce themselves, and in which cells that are stopped may save where they stand."""

_AHEAD = 2
"""Jobs handed out for each core, so that a node that has ended one finds the next; what is not handed out others may compute."""


def on_ray(plan: Plan, sharing: Sharing, device: Device, cells: Sequence[Cell], places: Mapping[str, int]) -> Iterator[Event]:
    """Compute cells on the cluster that this process is connected to, and yield events as they come.

    Raises UnavailableError where a node lacks what the plan needs, UsageError for a network that cannot be sent, StorageError.
    """
    if not cells:
        return
    fleet = Fleet.of(plan, sharing, device, places)
    unknown = {label for label in {label_of(cell) for cell in cells} if not knows(plan, sharing.folder, label)}
    fleet.queue = Queue(list(jobs_of(cells, sharing.open, unknown, apart=plan.latency)))
    with contextlib.closing(fleet.run()) as events:
        yield from events


@dataclass(eq=False)
class Fleet:
    """Jobs that wait and jobs that run, by the streams of what comes of them."""

    plan: Plan
    sharing: Sharing
    places: Mapping[str, int]
    told: tuple[Any, ...]
    needing: Needing
    queue: Queue = field(default_factory=lambda: Queue([]))
    running: dict[Any, Job] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, plan: Plan, sharing: Sharing, device: Device, places: Mapping[str, int]) -> Fleet:
        """Tell every node of the plan and hear whether it has what that needs. Raises UnavailableError, UsageError."""
        import ray

        device = replace(device, kind=device.kind.partition(":")[0])  # a node gives each job the GPUs that it may see
        nodes = suited(nodes_here(), device)
        told = (ray.put(Brief.of(plan, sharing.folder, device)),)
        _look_at(nodes, told)
        return cls(plan, sharing, places, told, Needing(plan, device, nodes, _gpu_gb(device)))

    def run(self) -> Iterator[Event]:
        """Compute all jobs; where this ends early, what runs is stopped, and may save where it stands."""
        import ray

        try:
            while self._hand_out() or self.running:
                ready, _ = ray.wait(list(self.running), num_returns=1, timeout=1.0, fetch_local=False)
                for stream in ready:
                    yield from self._heed(stream)
        finally:
            self._stop()

    def _hand_out(self) -> bool:
        """Hand out as many jobs as the nodes can take and some more; return whether any wait."""
        most = _AHEAD * max(1, int(sum(node.cpus for node in self.needing.nodes) // max(1, self.needing.device.threads)))
        while len(self.running) < most and (job := self.queue.next()) is not None:
            mine = self.sharing.mine(job.cells)
            job = job.only({cell.id for cell in mine})
            if job.parts:
                self._submit(job)
            else:
                self.queue.ended(job, well=True)
        return bool(self.queue.jobs)

    def _submit(self, job: Job) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if job.needs is None:
            measured = job.parts[0].measured if not job.cells else ()
            needs = self.needing.of(job.parts[0].label, job.cells or measured[:1])
            job = replace(job, needs=self.needing.of_quiet() if not job.cells and self.plan.latency else needs)
        assert job.needs is not None
        needs = job.needs
        where: Any = NodeAffinitySchedulingStrategy(needs.node, soft=True) if needs.node else "SPREAD"
        task = ray.remote(max_calls=1)(worker.carry_out) if job.is_fresh else ray.remote(worker.carry_out)
        options = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "memory": needs.memory, "max_retries": 0}
        labels = {part.label for part in job.parts} | {worker.PACK}
        sent = {what: self.sent[what] for what in labels & self.sent.keys()}
        stream = task.options(**options, num_returns="streaming", scheduling_strategy=where).remote(self.told, job, sent)
        self.running[stream] = job

    def _heed(self, stream: Any) -> Iterator[Event]:
        """Take the next thing from a job's stream, which goes to the end of the line so that no other waits for long."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        job = self.running[stream] = self.running.pop(stream)
        try:
            found = ray.get(next(stream))
        except StopIteration:
            del self.running[stream]
            yield from self._ended(job, RuntimeError("its job ended without a result"))
        except RayTaskError as error:
            del self.running[stream]
            yield from self._ended(job, error.cause if isinstance(error.cause, Exception) else error)
        except RayError as error:
            del self.running[stream]
            yield from self._lost(job, error)
        else:
            yield from self._take(stream, job, found)

    def _take(self, stream: Any, job: Job, found: object) -> Iterator[Event]:
        if isinstance(found, worker.Stopped):
            raise found.error
        if isinstance(found, worker.Came):
            yield from self._told(next(cell for cell in job.cells if cell.id == found.cell), found.item)
        elif isinstance(found, worker.Measured):
            self.running[stream] = job.knowing(found.label)
            self.sharing.folder.write_facts(found.label, found.facts)
        else:  # the job ends here, and is done in another way
            del self.running[stream]
            if isinstance(found, worker.Lacks):
                self._bring(found.what)
            if isinstance(found, worker.CannotLearnTogether):
                self.queue.ended(job, well=True)
                self.queue.again(job.apart())
            else:
                self._again(replace(job, is_fresh=isinstance(found, worker.OnAnotherGpu)))

    def _told(self, cell: Cell, item: object) -> Iterator[Event]:
        """Tell an item of a cell as an event; an output is written first."""
        place, num_cells = self.places[cell.id], len(self.plan.cells)
        if cell.id not in self.begun:
            self.begun.add(cell.id)
            self.sharing.folder.drop_cell(cell.id)
            yield CellStarted(cell, place, num_cells)
        if isinstance(item, EpochRecord):
            yield EpochEnded(cell, item)
        elif isinstance(item, Resumed):
            yield CellResumed(cell, item)
        elif isinstance(item, Output | CellResult):
            result = item.result if isinstance(item, Output) else item
            if isinstance(item, Output):
                keep(self.plan, self.sharing.folder, item)
            else:
                self.sharing.folder.write_failure(item)
            self.sharing.ended(cell.id)
            yield CellEnded(result, place, num_cells, was_kept=False)

    def _ended(self, job: Job, error: Exception) -> Iterator[Event]:
        """Let a job end; `error` is that of cells that have no result by then."""
        left = self._left(job)
        self.queue.ended(job, well=not left)
        for cell in left:
            yield from self._told(cell, failure(cell, error))

    def _lost(self, job: Job, error: Exception) -> Iterator[Event]:
        """Hand out again what a lost worker has left undone, unless it was lost too often over it."""
        left, reason = self._left(job), reason_of(error)
        self.needing.nodes = nodes_here() or self.needing.nodes
        if job.losses + 1 < MOST_LOSSES:
            for cell in left:
                if cell.id in self.begun:
                    self.begun.discard(cell.id)
                    yield CellLost(cell, reason)
            self._again(replace(job.only({cell.id for cell in left}), losses=job.losses + 1))
            return
        self.queue.ended(job, well=False)
        kind = "memory" if "memory" in reason else "lost"
        for cell in left:
            text = f"its worker was lost {MOST_LOSSES} times: {reason}"
            yield from self._told(cell, failed(cell, kind, text, "see the node's own messages; the same command tries it again"))

    def _again(self, job: Job) -> None:
        self.queue.ended(job, well=False)
        self.queue.again([replace(job, needs=None)] if job.parts else [])

    def _left(self, job: Job) -> list[Cell]:
        return [cell for cell in job.cells if cell.id in self.sharing.open]

    def _bring(self, what: str) -> None:
        """Put the bytes of what a node lacks into the object store, once."""
        import ray

        if what in self.sent:
            return
        if what == worker.PACK:
            self.sent[what] = {name: ray.put(content) for name, content in moving.files_of(self.plan.pack).items()}
        elif (path := fetch.where(self.plan.choices[what])) is not None:
            self.sent[what] = (ray.put(moving.mapped(path)),)

    def _stop(self) -> None:
        """Stop what runs: first so that it may save where it stands, then at once. What has ended by then is kept."""
        import ray
        from ray.exceptions import RayError

        until = time.monotonic() + GRACE_SECONDS
        try:
            for stream in self.running:
                ray.cancel(stream, force=False)
            while self.running and time.monotonic() < until:
                for stream in ray.wait(list(self.running), num_returns=1, timeout=1.0, fetch_local=False)[0]:
                    try:
                        found = ray.get(next(stream))
                    except (StopIteration, RayError):
                        del self.running[stream]
                        continue
                    if isinstance(found, worker.Came) and isinstance(found.item, Output):
                        keep(self.plan, self.sharing.folder, found.item)
        finally:
            for stream in self.running:
                ray.cancel(stream, force=True)
            self.running.clear()


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


def _look_at(nodes: Sequence[Node], told: Sequence[Any]) -> None:
    """Have every node introduce itself. Raises UnavailableError for one that lacks something or does not answer."""
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(worker.look)
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


def _gpu_gb(device: Device) -> float:
    """Return the memory of this machine's GPU in 10^9 bytes; 0 without one."""
    if not device.runs_ahead:
        return 0.0
    import torch

    return float(torch.cuda.get_device_properties(device.kind).total_memory) / 1e9
