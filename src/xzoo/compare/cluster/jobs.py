"""From open cells to jobs: what one task computes, and which jobs wait for another that makes the rows they share."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

from xzoo.compare.cluster.needs import Needs
from xzoo.compare.together import groups
from xzoo.runs.result import Cell

_KEEP_ROWS = ("frozen", "last", "gradual", "lp-ft")
"""Strategies under which a part of the network is run once for all epochs, and for all seeds."""


@dataclass(frozen=True)
class Part:
    """Cells of one backbone: heads that learn together, or a single one. By those `measured` the backbone is measured first."""

    label: str
    cells: tuple[Cell, ...]
    together: bool = False
    measured: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Job:
    """What one task computes, in turn. `shares` names rows that jobs have in common: the first makes them, the others wait.

    `losses` counts the workers that were lost over it. `is_fresh` asks for a process that ends with it.
    """

    parts: tuple[Part, ...]
    needs: Needs | None = None
    shares: tuple[object, ...] = ()
    losses: int = 0
    is_fresh: bool = False

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of all parts."""
        return tuple(cell for part in self.parts for cell in part.cells)

    def only(self, cells: Collection[str]) -> Job:
        """Return the job with no cells but these, and without parts that have nothing left to do."""
        kept = [replace(part, cells=tuple(cell for cell in part.cells if cell.id in cells)) for part in self.parts]
        return replace(self, parts=tuple(part for part in kept if part.cells or part.measured))

    def knowing(self, label: str) -> Job:
        """Return the job behind the measurement of a backbone."""
        return replace(
            self, parts=tuple(replace(part, measured=() if part.label == label else part.measured) for part in self.parts)
        )

    def apart(self) -> list[Job]:
        """Return a job for each cell, for heads that cannot learn together; their features have been made."""
        return [replace(self, parts=(Part(cell.label, (cell,)),), shares=()) for cell in self.cells]


@dataclass(eq=False)
class Queue:
    """Jobs that wait, in order. Of several that share rows one goes first."""

    jobs: list[Job]
    _made: set[tuple[object, ...]] = field(default_factory=set)
    _making: set[tuple[object, ...]] = field(default_factory=set)

    def next(self) -> Job | None:
        """Take the first job that may begin, None where none may now."""
        for place, job in enumerate(self.jobs):
            if not job.shares or job.shares in self._made or job.shares not in self._making:
                self._making |= {job.shares} if job.shares else set()
                return self.jobs.pop(place)
        return None

    def ended(self, job: Job, *, well: bool) -> None:
        """Let those begin that waited for the job's rows; where it was lost, one of them makes them."""
        self._making.discard(job.shares)
        self._made |= {job.shares} if job.shares and well else set()

    def again(self, jobs: Sequence[Job]) -> None:
        """Put jobs back, ahead of all others."""
        self.jobs[:0] = jobs


def jobs_of(cells: Sequence[Cell], still_open: Collection[str], unknown: Collection[str], *, apart: bool) -> Iterator[Job]:
    """Yield the jobs of what is open of these cells: heads that learn together, then one cell each.

    Backbones in `unknown` are measured: by their first job, or all of them `apart`, one after the other, on a machine that does
    nothing else meanwhile.
    """
    by_label = {label: tuple(group) for label, group in itertools.groupby(cells, key=attrgetter("label"))}
    measured = {label: group for label, group in by_label.items() if label in unknown}
    if measured and apart:
        yield Job(tuple(Part(label, (), measured=group) for label, group in measured.items()))
    for label, group in by_label.items():
        parts = list(_parts(label, [cell for cell in group if cell.id in still_open]))
        if label in measured and not apart:
            first = replace(parts.pop(0), measured=group) if parts else Part(label, (), measured=group)
            parts.insert(0, first)
        yield from (Job((part,), shares=_shares(label, part.cells)) for part in parts)


def _parts(label: str, cells: Sequence[Cell]) -> Iterator[Part]:
    together = groups(cells)
    yield from (Part(label, tuple(group), together=True) for group in together)
    taken = {cell.id for group in together for cell in group}
    yield from (Part(label, (cell,)) for cell in cells if cell.id not in taken)


def _shares(label: str, cells: Sequence[Cell]) -> tuple[object, ...]:
    """Return what names the rows that cells of one job keep for others; nothing where they keep none."""
    if not cells:
        return ()
    cell = cells[0]
    if cell.freeze.partition(":")[0] not in _KEEP_ROWS or (cell.recipe["augment"] != "none" and not cell.recipe["views"]):
        return ()
    names = ("precision", "size", "crop", "engine", "augment", "views")
    seed = () if cell.recipe["augment"] == "none" else (cell.seed,)
    return (label, cell.freeze, *seed, *(cell.recipe[name] for name in names))
