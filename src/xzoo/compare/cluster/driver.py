"""The driver: it hands jobs to the cluster, writes what comes back, and hands lost ones out again. It alone writes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from xzoo.compare.cluster import worker
from xzoo.compare.cluster.brief import Brief
from xzoo.compare.cluster.jobs import Job, Queue, jobs_of
from xzoo.compare.cluster.messages import Came, CannotLearnTogether, Lacks, Measured, OnAnotherGpu, Stopped
from xzoo.compare.cluster.needs import Needing
from xzoo.compare.cluster.nodes import gpu_gb, look_at, nodes_here, reason_of, suited
from xzoo.compare.cluster.supplies import Supplies
from xzoo.compare.experiment import CellLost, Event, Telling, keep, knows
from xzoo.compare.finishing import Output, failed
from xzoo.compare.items import failure
from xzoo.compare.plan import Plan
from xzoo.compare.sharing import Sharing
from xzoo.runs.result import Cell
from xzoo.train.device import Device

MOST_LOSSES = 3
"""Workers that may be lost over a job before its cells count as failed: what ends three processes will end a fourth."""

GRACE_SECONDS = 20.0
"""Time in which cells that are stopped may save where they stand."""

_AHEAD = 2
"""Jobs handed out for each that can run, so that a node that has ended one finds the next; the others anybody may compute."""


def on_ray(plan: Plan, sharing: Sharing, device: Device, cells: Sequence[Cell], places: Mapping[str, int]) -> Iterator[Event]:
    """Compute cells on the cluster that this process is connected to, and yield events as they come.

    Raises UnavailableError where a node lacks what the plan needs, UsageError for a network that cannot be sent, StorageError.
    """
    if not cells:
        return
    fleet = Fleet.of(plan, sharing, device, places)
    unknown = {label for label in {cell.label for cell in cells} if not knows(plan, sharing.folder, label)}
    fleet.queue = Queue(list(jobs_of(cells, sharing.open, unknown, apart=plan.latency)))
    with contextlib.closing(fleet.run()) as events:
        yield from events


@dataclass(eq=False)
class Fleet:
    """Jobs that wait and jobs that run, by the streams of what comes of them."""

    plan: Plan
    sharing: Sharing
    telling: Telling
    told: tuple[Any, ...]
    needing: Needing
    supplies: Supplies
    queue: Queue = field(default_factory=lambda: Queue([]))
    running: dict[Any, Job] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, sharing: Sharing, device: Device, places: Mapping[str, int]) -> Fleet:
        """Tell every node of the plan and hear whether it has what that needs. Raises UnavailableError, UsageError."""
        import ray

        device = replace(device, kind=device.kind.partition(":")[0])  # a node gives each job the GPUs that it may see
        nodes = suited(nodes_here(), device)
        told = (ray.put(Brief.of(plan, sharing.folder, device)),)
        look_at(nodes, told, worker.look)
        needing = Needing(plan, device, nodes, gpu_gb(device))
        return cls(plan, sharing, Telling(plan, sharing, places), told, needing, Supplies(plan))

    def run(self) -> Generator[Event]:
        """Compute all jobs; where this ends early, what runs is stopped, and may save where it stands."""
        import ray

        try:
            while self._hand_out() or self.running:
                ready, _ = ray.wait(list(self.running), num_returns=1, timeout=1.0, fetch_local=False)
                for stream in ready:
                    yield from self._heed(stream)
                if not ready:
                    self._heed_nodes()
        finally:
            self._stop()

    def _hand_out(self) -> bool:
        """Hand out as many jobs as the nodes can take and some more; return whether any wait."""
        most = _AHEAD * max(1, self.needing.most)
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
        sent = self.supplies.of([part.label for part in job.parts])
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
        if isinstance(found, Stopped):
            raise found.error
        if isinstance(found, Came):
            yield from self.telling.of(next(cell for cell in job.cells if cell.id == found.cell), found.item)
        elif isinstance(found, Measured):
            self.running[stream] = job.knowing(found.label)
            self.sharing.folder.write_facts(found.label, found.facts)
        else:  # the job ends here, and is done in another way
            del self.running[stream]
            if isinstance(found, Lacks):
                self.supplies.bring(found.what)
            if isinstance(found, CannotLearnTogether):
                self.queue.ended(job, well=True)
                self.queue.again(job.apart())
            else:
                self._again(replace(job, is_fresh=isinstance(found, OnAnotherGpu)))

    def _ended(self, job: Job, error: Exception) -> Iterator[Event]:
        """Let a job end; `error` is that of cells that have no result by then."""
        left = self._left(job)
        self.queue.ended(job, well=not left)
        for cell in left:
            yield from self.telling.of(cell, failure(cell, error))

    def _lost(self, job: Job, error: Exception) -> Iterator[Event]:
        """Hand out again what a lost worker has left undone, unless it was lost too often over it."""
        left, reason = self._left(job), reason_of(error)
        self._heed_nodes()
        if job.losses + 1 < MOST_LOSSES:
            for cell in left:
                if cell.id in self.telling.begun:
                    self.telling.begun.discard(cell.id)
                    yield CellLost(cell, reason)
            self._again(replace(job, losses=job.losses + 1))
            return
        self.queue.ended(job, well=False)
        kind = "memory" if "memory" in reason else "lost"
        for cell in left:
            text = f"its worker was lost {MOST_LOSSES} times: {reason}"
            result = failed(cell, kind, text, "see the node's own messages; the same command tries it again")
            yield from self.telling.of(cell, result)

    def _heed_nodes(self) -> None:
        """Look which nodes there are now; jobs that none of them can take ask anew. Raises UnavailableError without any."""
        import ray

        self.needing.nodes = suited(nodes_here(), self.needing.device)
        for stream, job in list(self.running.items()):
            needs = job.needs
            if needs and not any(node.cpus >= needs.cpus and node.gpus >= needs.gpus for node in self.needing.nodes):
                del self.running[stream]
                ray.cancel(stream, force=True)
                self._again(job)

    def _again(self, job: Job) -> None:
        self.queue.ended(job, well=False)
        left = job.only({cell.id for cell in self._left(job)})
        self.queue.again([replace(left, needs=None)] if left.parts else [])

    def _left(self, job: Job) -> list[Cell]:
        return [cell for cell in job.cells if cell.id in self.sharing.open]

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
                    if isinstance(found, Came) and isinstance(found.item, Output):
                        keep(self.plan, self.sharing.folder, found.item)
        finally:
            for stream in self.running:
                ray.cancel(stream, force=True)
            self.running.clear()
