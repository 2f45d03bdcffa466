"""A trained model as its card sees it: the contender, the cell whose tensors were kept, and the images it learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xzoo import durable
from xzoo.audit.outcome import Audit
from xzoo.data.items import SPLITS
from xzoo.report.reading import Reading
from xzoo.report.sections.faults import is_of
from xzoo.report.sections.origins import Origins, origins
from xzoo.runs.result import BackboneFacts, CellResult, Contender, Metrics


@dataclass(frozen=True, eq=False)
class Trained:
    """One model. `counts` are its images by split and class; `sha256` is of the file of its learnt tensors, empty without one.

    `audit` is one of the same images, or None; `group` the expression that names patients, as far as the run was told one.
    """

    reading: Reading
    row: Contender
    cell: CellResult
    facts: BackboneFacts | None
    origins: Origins
    counts: Mapping[str, Mapping[str, int]]
    sha256: str
    audit: Audit | None

    @property
    def dataset(self) -> Mapping[str, Any]:
        """What the run says of its data."""
        return self.reading.outcome.dataset

    @property
    def group(self) -> str:
        """The expression that names patients, as the run was told it; empty without one."""
        return str(self.reading.plan.get("data", {}).get("group") or "")

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the network's input, where the run knows its backbone."""
        if side := self.row.recipe.get("size"):
            return side, side
        return None if self.facts is None else self.facts.size

    @property
    def metrics(self) -> Mapping[str, Metrics]:
        """The model's own figures by split, those of its one seed."""
        found = {split: getattr(self.cell, split) for split in SPLITS}
        return {split: one for split, one in found.items() if one is not None}


def trained(reading: Reading, audit: Audit | None = None) -> list[Trained]:
    """Return a model for each contender that has a finished cell, in the order of the leaderboard. Raises StorageError."""
    of_run = audit if audit is not None and is_of(audit, reading) else None
    told = origins(reading)
    return [_model(reading, row, told, of_run) for row in reading.outcome.contenders if reading.done(row)]


def _model(reading: Reading, row: Contender, told: Origins, audit: Audit | None) -> Trained:
    """Return the model of the cell that `xzoo.load` would take: of those that were kept the best on validation."""
    done = reading.done(row)
    kept = [cell for cell in done if reading.folder.learnt(cell.id).is_file()]
    cell = max(kept or done, key=lambda one: (_accuracy(one), -one.seed))
    return Trained(
        reading=reading,
        row=row,
        cell=cell,
        facts=reading.outcome.backbones.get(f"{row.backbone}@{row.weights}"),
        origins=told,
        counts=_counts(reading, cell),
        sha256=durable.sha256(reading.folder.learnt(cell.id)) if kept else "",
        audit=audit,
    )


def _accuracy(cell: CellResult) -> float:
    return cell.val.accuracy.value if cell.val and cell.val.accuracy else 0.0


def _counts(reading: Reading, cell: CellResult) -> dict[str, dict[str, int]]:
    classes, stored = list(reading.outcome.dataset["classes"]), reading.folder.predictions(cell.id)
    found = {}
    for split in SPLITS:
        counts_K = np.bincount(stored[f"{split}_labels"].astype(np.int64), minlength=len(classes))
        found[split] = {name: int(count) for name, count in zip(classes, counts_K, strict=True)}
    return {split: counts for split, counts in found.items() if sum(counts.values())}
