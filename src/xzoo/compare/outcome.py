"""What a comparison says, as one value: the answer to `xzoo compare`, from the command line and from Python."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xzoo.compare import advice, findings, standings, verdict
from xzoo.compare.plan import Plan
from xzoo.data import split as splits
from xzoo.data.items import counted
from xzoo.runs import showing
from xzoo.runs.result import BackboneFacts, CellResult, Comparison, Contender, Finding, Recommendation
from xzoo.runs.store import RunFolder

SCHEMA = "xzoo.compare/1"
MOST_FORESEEN = 12
"""Of more contenders than this it is not told what would settle each pair: their number grows with the square."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything a comparison found. Its fields are those of the machine output `xzoo.compare/1`."""

    schema: str = SCHEMA
    run: str
    dataset: Mapping[str, Any]
    recipe: Mapping[str, Any]
    environment: Mapping[str, Any]
    backbones: Mapping[str, BackboneFacts]
    cells: Sequence[CellResult]
    contenders: Sequence[Contender]
    comparisons: Sequence[Comparison]
    recommendation: Recommendation | None
    findings: Sequence[Finding]

    @property
    def verdicts(self) -> Sequence[Comparison]:
        """The comparisons on validation, on which contenders are ranked and chosen."""
        return [one for one in self.comparisons if one.split == "val"]

    @property
    def failed(self) -> Sequence[CellResult]:
        """The cells that could not be computed."""
        return [cell for cell in self.cells if cell.status == "failed"]

    def report(self, path: str | Path = "xzoo-report.html", *, form: str = "") -> Path:
        """Write the run's report to a file and return its path; it is `xzoo.report(result, path)`, and raises what that does."""
        # What shows results stands above what makes them; the face, which this module's import has loaded, knows both.
        written: Path = sys.modules["xzoo"].report(self, path, form=form)
        return written

    def to_frame(self) -> Any:
        """Return a pandas frame, a row per contender. Raises UnavailableError where pandas is not installed."""
        names = ("id", "backbone", "weights", "freeze", "split", "rank", "pareto", "gmacs", "params", "seconds")
        rows = [
            {
                **{name: getattr(row, name) for name in names},
                **{f"{split}_accuracy": standings.accuracy(row, split) for split in ("train", "val", "test")},
            }
            for row in self.contenders
        ]
        return showing.frame(rows, "id")

    def plot_accuracy(self, ax: Any = None, *, split: str = "val") -> Any:
        """Return matplotlib axes with each contender's accuracy on train, val or test and its interval, the best at the top."""
        return showing.drawn("accuracy", self, ax, split=split)

    def plot_curves(self, ax: Any = None, *, line: str = "val_accuracy") -> Any:
        """Return matplotlib axes with learning curves; `line` is train_loss, val_loss, train_accuracy or val_accuracy."""
        return showing.drawn("curves", self, ax, line=line)

    def plot_cost(self, ax: Any = None, *, cost: str = "gmacs", split: str = "val") -> Any:
        """Return matplotlib axes with accuracy against a cost: gmacs, latency_ms, seconds or params."""
        return showing.drawn("cost", self, ax, cost=cost, split=split)

    def __repr__(self) -> str:
        return showing.brief(self, counted(len(self.contenders), "contender"), counted(len(self.cells), "cell"), self.run)

    def __str__(self) -> str:
        return showing.as_text(self)

    def _repr_html_(self) -> str:
        return showing.as_html(self)


def conclude(plan: Plan, folder: RunFolder, environment: Mapping[str, Any]) -> Outcome:
    """Return the outcome of a plan from what lies in its run folder."""
    results = [result for cell in plan.cells if (result := folder.cell(cell.id))]
    facts = {label: found for label in plan.choices if (found := folder.facts(label))}
    rows = [
        replace(row, fit=advice.fit_of([one for one in results if one.contender == row.id], len(plan.pack.classes)))
        for row in standings.contenders(plan.cells, results, facts)
    ]
    guessing = {split: findings.guessing(results, split) for split in ("val", "test")}
    patients, few = plan.pack.groups_N, len(rows) <= MOST_FORESEEN
    on_val, on_test = (
        verdict.compare(results, folder, split, groups_N=patients, guessing=who, margin=plan.margin, foresee=few)
        for split, who in guessing.items()
    )
    ranked = standings.rank(rows, on_val, guessing["val"])
    chosen = standings.recommend(ranked, on_val, guessing["val"], plan.margin)
    return Outcome(
        run=str(folder.path),
        dataset={**dataset(plan), "test_looks": sum(_looks(plan, result) for result in results)},
        recipe=plan.cells[0].recipe,
        environment=environment,
        backbones=facts,
        cells=results,
        contenders=ranked,
        comparisons=[*on_val, *on_test],
        recommendation=replace(chosen, run=str(folder.path)) if chosen else None,
        findings=findings.ordered([*findings.of_run(plan, results), *findings.of_drops(folder, results, patients)]),
    )


def dataset(plan: Plan) -> dict[str, Any]:
    """Return what the data is: classes, and the first cell's splits and where they came from."""
    pack, cell = plan.pack, plan.cells[0]
    rule = splits.read(cell.split)
    split = splits.draw(pack.labels_N, pack.splits_N, pack.together_N, rule, cell.seed, classes=pack.classes)
    return {
        "name": pack.name,
        "pack": pack.key,
        "classes": pack.classes,
        "task": "single-label",
        "positive": plan.positive,
        "images": len(pack),
        "splits": {name: len(getattr(split, name)) for name in ("train", "val", "test")},
        "drawn": [name for name, origin in split.origin.items() if "drawn" in origin],
        "first_line": splits.first_line(split),
        "splits_and_groups": splits.fingerprint(split, pack.groups_N),
    }


def _looks(plan: Plan, result: CellResult) -> int:
    """Count how often a cell looked at the test split: once when it was done, and after each epoch where test was watched."""
    return 0 if result.status != "done" else 1 + (result.epochs or 0) * plan.watch_test
