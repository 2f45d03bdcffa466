"""The counterfactual: every image pooled, drawn anew several times, and the contender trained again on each draw."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace

from xzoo.compare import plan as plans
from xzoo.compare.plan import Plan, Variation
from xzoo.data import split as splits
from xzoo.data.items import SPLITS
from xzoo.data.pack import Pack
from xzoo.data.split import SplitRule
from xzoo.errors import UsageError
from xzoo.runs.result import Cell, CellResult
from xzoo.runs.store import RunFolder
from xzoo.train.device import Device
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.spec import Choice

FOLDER = "pooled"
"""In the run's folder, so that it is no run of its own in any list."""


@dataclass(frozen=True)
class Pooled:
    """Mean accuracies over `redraws` of all images into splits of the same sizes, and the deviation between redraws.

    Copies and patients stay on one side. `recovered` is the share of the run's drop that is gone, None where it had none to lose;
    redraws share most of their images, so that `spread` is no standard error.
    """

    val: float
    test: float
    spread: float
    redraws: int
    recovered: float | None
    run: str


def pooled_rule(cell: Cell, pack: Pack) -> SplitRule | None:
    """Return the rule that pools what a cell's rule keeps apart, with the same sizes; None where it pools already."""
    rule = splits.read(cell.split)
    if rule.pool:
        return None
    whole = replace(rule, train_size=None)
    drawn = splits.draw(pack.labels_N, pack.splits_N, pack.together_N, whole, cell.seed, classes=pack.classes)
    sizes = [len(getattr(drawn, name)) for name in SPLITS]
    return replace(rule, fractions=tuple(size / sum(sizes) for size in sizes), pool=True, seed=None)


def pooled(
    folder: RunFolder, cell: Cell, choice: Choice, pack: Pack, device: Device, redraws: int
) -> Iterator[str | list[CellResult]]:
    """Train a contender on so many redraws of its pooled images, yielding what is being done and last its finished cells.

    Nothing is computed again that an earlier call computed. Raises UsageError for a rule that pools already, StorageError.
    """
    from xzoo.compare.experiment import CellEnded, run

    rule = pooled_rule(cell, pack)
    if rule is None:
        raise UsageError(
            f"{cell.contender} is trained on pooled images already", "explain a run of the splits as they are declared"
        )
    plan = _plan(cell, choice, pack, rule, redraws)
    inner = RunFolder(folder.path / FOLDER / plan.hash)
    found: list[CellResult] = []
    for event in run(plan, inner, device):
        if isinstance(event, CellEnded):
            yield f"pooled and drawn anew: {event.place} of {redraws}"
            found.append(event.result)
    yield found


def told(results: list[CellResult], drop: float, is_there: bool, run: str) -> Pooled | None:
    """Return what redraws gave, None where none was finished; `drop` is the run's own, `is_there` whether by more than chance."""
    pairs = [
        (one.val.accuracy.value, one.test.accuracy.value)
        for one in results
        if one.val and one.test and one.val.accuracy and one.test.accuracy
    ]
    if not pairs:
        return None
    val, test = (statistics.fmean(pair[place] for pair in pairs) for place in (0, 1))
    spread = statistics.stdev([test for _, test in pairs]) if len(pairs) > 1 else 0.0
    return Pooled(val, test, spread, len(pairs), 1 - (val - test) / drop if is_there else None, run)


def _plan(cell: Cell, choice: Choice, pack: Pack, rule: SplitRule, redraws: int) -> Plan:
    variation = Variation(recipe=make_recipe(cell.recipe), split=rule)
    return plans.make([choice], pack, [cell.freeze], range(redraws), [variation], keep="none", latency=False)
