"""Which of a finished run's cells is meant, by its folder alone. Free of torch: a word that is wrong is told at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from xzoo.compare.history import read_cells
from xzoo.errors import StorageError, UsageError
from xzoo.runs import store
from xzoo.runs.result import Cell, CellResult, Recommendation
from xzoo.runs.store import PLAN, RunFolder
from xzoo.zoo.names import Reference
from xzoo.zoo.wording import did_you_mean

What = str | os.PathLike[str] | Recommendation | None
RUNS = "xzoo-runs"


@dataclass(frozen=True)
class Saved:
    """One cell of a run whose learnt tensors are there. `white` is the 16-bit value that its data took for 255."""

    folder: RunFolder
    cell: Cell
    classes: tuple[str, ...]
    reference: Reference | None
    white: int | None

    @property
    def label(self) -> str:
        """The backbone with the weights it started from."""
        return self.cell.label


@dataclass(frozen=True)
class _Recommending:
    """The one field of an outcome that is needed here."""

    recommendation: Recommendation | None = None


def find(what: What, *, contender: str | None = None, seed: int | None = None, runs: str | Path = RUNS) -> Saved:
    """Return the cell that is meant. Raises UsageError where there is none, or where its tensors were not kept."""
    if what is None:
        raise UsageError("there is no recommendation to load", "name the run and one of its contenders")
    if isinstance(what, Recommendation):
        folder, contender = RunFolder(Path(what.run)), contender or what.contender
    else:
        folder = store.find(os.fspath(what), Path(runs))
    plan = folder.plan()
    cells = read_cells(folder, plan)
    name = _contender(folder, cells, contender)
    cell = _kept(folder, [cell for cell in cells if cell.contender == name], seed, plan.get("keep", ""))
    asked = plan.get("backbones", {}).get(cell.label)
    try:
        reference = msgspec.convert(asked, Reference) if asked else None
        data: dict[str, Any] = plan["data"]
        return Saved(folder, cell, tuple(data["classes"]), reference, data.get("white"))
    except (KeyError, msgspec.ValidationError) as error:
        raise StorageError(f"{folder.path / PLAN} holds no plan: {error}", "remove it, or give its command again") from error


def contenders_of(folder: RunFolder, cells: Sequence[Cell], asked: Sequence[str]) -> list[str]:
    """Return the contenders that are meant: those asked for, else the recommended one, else all. Raises UsageError."""
    if asked:
        return list(dict.fromkeys(_contender(folder, cells, name) for name in asked))
    outcome = folder.outcome(_Recommending)
    if outcome is not None and outcome.recommendation is not None:
        return [outcome.recommendation.contender]
    return list(dict.fromkeys(cell.contender for cell in cells))


def _contender(folder: RunFolder, cells: Sequence[Cell], asked: str | None) -> str:
    names = list(dict.fromkeys(cell.contender for cell in cells))
    if asked in names:
        return str(asked)
    known = f"its contenders are: {'; '.join(names)}"
    if asked is not None:
        raise UsageError(f"{folder.path} has no contender {asked!r}", did_you_mean(asked, names) + known)
    if len(names) == 1:
        return names[0]
    outcome = folder.outcome(_Recommending)
    if outcome is None or outcome.recommendation is None:
        raise UsageError(f"{folder.path} recommends no contender", f"name one with --contender; {known}")
    return outcome.recommendation.contender


def _kept(folder: RunFolder, cells: Sequence[Cell], seed: int | None, keep: str) -> Cell:
    name = cells[0].contender
    kept = [(cell, result) for cell in cells if folder.learnt(cell.id).is_file() and (result := folder.cell(cell.id))]
    done = [(cell, result) for cell, result in kept if result.status == "done"]
    if not done:
        why, remedy = (
            ("the run kept none (--keep none)", "run it again with --keep best or all")
            if keep == "none"
            else ("none of its cells is finished", "give its command again, or name another run; `xzoo runs` lists them")
        )
        raise UsageError(f"no trained tensors of {name} are in {folder.path}: {why}", remedy)
    seeds = ", ".join(str(cell.seed) for cell, _ in done)
    if seed is None:
        return max(done, key=lambda pair: (_accuracy(pair[1]), -pair[0].seed))[0]
    for cell, _ in done:
        if cell.seed == seed:
            return cell
    was_trained = any(cell.seed == seed for cell in cells)
    what = f"the trained tensors of seed {seed} were not kept" if was_trained else f"there is no seed {seed}"
    raise UsageError(
        f"{name} in {folder.path}: {what}", f"kept: seed {seeds}; leave the seed out, or run it again with --keep all"
    )


def _accuracy(result: CellResult) -> float:
    return result.val.accuracy.value if result.val and result.val.accuracy else 0.0
