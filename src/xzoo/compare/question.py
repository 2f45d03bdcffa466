"""What `xzoo.explain` is asked, its words checked against the run's folder. Free of torch: a wrong word is told at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from xzoo.compare import origin
from xzoo.compare.selection import contenders_of
from xzoo.errors import UsageError
from xzoo.runs import store
from xzoo.runs.result import Cell, Recommendation
from xzoo.runs.store import RunFolder
from xzoo.zoo.names import Reference
from xzoo.zoo.spec import Backbone


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be explained, its words checked: the run, its contenders' cells, the data, and how far to go."""

    folder: RunFolder
    cells: Mapping[str, Sequence[Cell]]
    references: Mapping[str, Reference | None]
    classes: tuple[str, ...]
    data: object
    group: str | None
    redraws: int
    retrain: bool
    backbone: Backbone | None
    device: str


def ask(  # noqa: PLR0913 - as `explain`
    run: str | os.PathLike[str] | Recommendation | None,
    *,
    data: object,
    group: str | None,
    contenders: Sequence[str],
    redraws: int,
    retrain: bool,
    backbone: Backbone | None,
    device: str,
    runs: str | Path,
) -> Asked:
    """Return what `explain` is to do. Raises UsageError for a run or contender that is not there or not finished."""
    if redraws < 0:
        raise UsageError(f"{redraws} redraws are none", "ask for 0 to leave them out, or for 5")
    if run is None:
        raise UsageError("there is no recommendation to explain", "name the run: its path, or last")
    folder = RunFolder(Path(run.run)) if isinstance(run, Recommendation) else store.find(os.fspath(run), Path(runs))
    plan = folder.plan()
    cells = msgspec.convert(plan["cells"], list[Cell])
    names = contenders_of(folder, cells, contenders or ((run.contender,) if isinstance(run, Recommendation) else ()))
    done = {name: [cell for cell in cells if cell.contender == name and _is_done(folder, cell)] for name in names}
    for name, finished in done.items():
        if not finished and (contenders or not any(done.values())):
            raise UsageError(f"no cell of {name} in {folder.path} is finished", "give the run's command again, then explain it")
    done = {name: finished for name, finished in done.items() if finished}
    told = plan["data"]
    asked = msgspec.convert(plan.get("backbones", {}), dict[str, Reference | None])
    return Asked(
        folder=folder,
        cells=done,
        references=asked,
        classes=tuple(told["classes"]),
        data=origin.place_of(folder, data),
        group=group if group is not None else told.get("group"),
        redraws=redraws,
        retrain=retrain,
        backbone=backbone,
        device=device,
    )


def _is_done(folder: RunFolder, cell: Cell) -> bool:
    result = folder.cell(cell.id)
    return result is not None and result.status == "done"
