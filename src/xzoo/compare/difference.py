"""What changed between two runs: first what they were made of, then what came out.

N = images that both runs answered
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.compare.history import read_cells
from xzoo.data import split as splits
from xzoo.runs.result import Cell, CellResult, Measure
from xzoo.runs.store import RunFolder
from xzoo.statistics.paired import newcombe_paired_difference

SCHEMA = "xzoo.runs.diff/1"
Facts = Mapping[tuple[str, str], Any]


@dataclass(frozen=True)
class Change:
    """Something that the runs do not have in common; None where a run has no such thing."""

    area: str
    name: str
    a: Any
    b: Any


@dataclass(frozen=True, kw_only=True)
class SplitChange:
    """A contender's accuracy on a split in both runs, means over the seeds they share, and B's less A's.

    `images` counts the images that both answered, over those seeds, `changed` those whose answer is another, `gained` and
    `lost` those that only B or only A got right. They are None, with the `reason`, where the runs answered different images.
    """

    a: float
    b: float
    difference: Measure
    images: int | None = None
    changed: int | None = None
    gained: int | None = None
    lost: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class ContenderChange:
    """A contender that both runs have, on the seeds that both finished."""

    id: str
    seeds: tuple[int, ...]
    val: SplitChange | None
    test: SplitChange | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The answer to `xzoo runs diff`. Its fields are those of the machine output `xzoo.runs.diff/1`."""

    schema: str = SCHEMA
    a: str
    b: str
    changes: Sequence[Change]
    contenders: Sequence[ContenderChange]


@dataclass(frozen=True, eq=False)
class _Run:
    folder: RunFolder
    plan: Mapping[str, Any]
    cells: Sequence[Cell]
    results: Sequence[CellResult]

    @property
    def done(self) -> Mapping[tuple[str, int], CellResult]:
        return {(one.contender, one.seed): one for one in self.results if one.status == "done"}


def compare_runs(a: RunFolder, b: RunFolder) -> Difference:
    """Return what differs between two runs. Raises StorageError."""
    of_a, of_b = _read(a), _read(b)
    facts_a, facts_b = _facts(of_a), _facts(of_b)
    names = dict.fromkeys([*facts_a, *facts_b])
    changes = [Change(*name, facts_a.get(name), facts_b.get(name)) for name in names if facts_a.get(name) != facts_b.get(name)]
    shared: dict[str, list[int]] = defaultdict(list)
    for contender, seed in of_a.done:
        if (contender, seed) in of_b.done:
            shared[contender].append(seed)
    contenders = [
        ContenderChange(name, tuple(seeds), *(_split_change(of_a, of_b, name, seeds, split) for split in ("val", "test")))
        for name, seeds in shared.items()
    ]
    return Difference(a=str(a.path), b=str(b.path), changes=changes, contenders=contenders)


def _read(folder: RunFolder) -> _Run:
    plan = folder.plan()
    cells = read_cells(folder, plan)
    return _Run(folder, plan, cells, [found for cell in cells if (found := folder.cell(cell.id))])


def _facts(run: _Run) -> dict[tuple[str, str], Any]:
    """Return everything a run was made of, by area and name; of what differs within the run, all its values."""
    cells, data = run.cells, run.plan["data"]
    facts: dict[tuple[str, str], Any] = {("data", name): data.get(name) for name in ("name", "pack", "classes", "images")}
    facts["data", "positive"] = run.plan.get("positive")
    for split in ("train", "val", "test"):
        facts["data", split] = _one_or_all(result.splits[split] for result in run.results if result.splits)
    facts["split", "rule"] = _one_or_all(splits.describe(splits.read(cell.split)) for cell in cells)
    for name in sorted({name for cell in cells for name in cell.recipe}):
        facts["recipe", name] = _one_or_all(cell.recipe.get(name) for cell in cells)
    for label in dict.fromkeys(cell.label for cell in cells):
        facts["backbones", label] = "compared"
        if known := run.folder.facts(label):
            facts["weights", label] = known.weights.get("sha256") or known.weights.get("body") or None
            facts["plugin", label] = known.origin
    facts["strategies", "all"] = sorted({cell.freeze for cell in cells})
    facts["seeds", "all"] = sorted({cell.seed for cell in cells})
    facts |= {("command", name): run.plan.get(name) for name in ("watch_test", "keep")}
    environments = [_flat(result.environment) for result in run.results if result.environment]
    for name in sorted({name for environment in environments for name in environment}):
        facts["environment", name] = _one_or_all(environment.get(name) for environment in environments)
    return facts


def _split_change(a: _Run, b: _Run, contender: str, seeds: Sequence[int], split: str) -> SplitChange | None:
    pairs = [(a.done[contender, seed], b.done[contender, seed]) for seed in seeds]
    accuracies = [(_accuracy(one, split), _accuracy(other, split)) for one, other in pairs]
    if any(value is None for pair in accuracies for value in pair):
        return None
    mean_a, mean_b = (fmean(pair[place] or 0.0 for pair in accuracies) for place in (0, 1))
    is_one_dataset = a.plan["data"]["pack"] == b.plan["data"]["pack"]
    answers = [_answers(a, one, b, other, split) for one, other in pairs] if is_one_dataset else []
    if not answers or not all(len(found) for found in answers):
        why = "they answered different images" if is_one_dataset else "they saw different data"
        return SplitChange(a=mean_a, b=mean_b, difference=Measure(mean_b - mean_a, None, None, 0), reason=why)
    right = [(found[:, 0] == found[:, 2], found[:, 1] == found[:, 2]) for found in answers]
    value, low, high = np.mean([newcombe_paired_difference(of_b, of_a) for of_a, of_b in right], axis=0)
    return SplitChange(
        a=mean_a,
        b=mean_b,
        difference=Measure(float(value), float(low), float(high), len(answers[0])),
        images=sum(map(len, answers)),
        changed=sum(int((found[:, 0] != found[:, 1]).sum()) for found in answers),
        gained=sum(int((of_b & ~of_a).sum()) for of_a, of_b in right),
        lost=sum(int((of_a & ~of_b).sum()) for of_a, of_b in right),
    )


def _answers(a: _Run, of_a: CellResult, b: _Run, of_b: CellResult, split: str) -> NDArray[np.int64]:
    """Return (N,3): the class that A named, the one that B named, and the true one, of the images that both answered."""
    one, other = a.folder.predictions(of_a.id), b.folder.predictions(of_b.id)
    _, in_a, in_b = np.intersect1d(one[f"{split}_index"], other[f"{split}_index"], assume_unique=True, return_indices=True)
    named_a, named_b = one[f"{split}_probabilities"][in_a].argmax(1), other[f"{split}_probabilities"][in_b].argmax(1)
    return np.stack([named_a, named_b, one[f"{split}_labels"][in_a].astype(np.int64)], axis=1)


def _accuracy(result: CellResult, split: str) -> float | None:
    measured = getattr(result, split)
    return measured.accuracy.value if measured is not None and measured.accuracy is not None else None


def _one_or_all(values: Iterable[Any]) -> Any:
    found = list({repr(value): value for value in values}.values())
    return found[0] if len(found) == 1 else found or None


def _flat(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in environment.items() if name != "versions"}, **environment.get("versions", {})}
