"""`xzoo.explain`: why a finished run's test figures differ from its validation figures."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from xzoo.audit.given import Pictures, Reading, look_for_copies, read_splits
from xzoo.compare import origin, pooling, saved
from xzoo.compare.advice import fit_of
from xzoo.compare.cause import YES, Known
from xzoo.compare.causes import causes
from xzoo.compare.crossing import judged
from xzoo.compare.drop import Drop, taken_apart
from xzoo.compare.explanation import Autopsy, Explanation
from xzoo.compare.pooling import Pooled
from xzoo.compare.question import Asked, ask
from xzoo.compare.selection import RUNS, Saved
from xzoo.data.items import SPLITS
from xzoo.data.pack import Pack
from xzoo.errors import UsageError
from xzoo.runs.following import followed
from xzoo.runs.result import Cell, CellResult, Recommendation
from xzoo.runs.store import RunFolder
from xzoo.train.device import choose
from xzoo.zoo.spec import Backbone, Choice

REDRAWS = 5


def explain(  # noqa: PLR0913 - the keywords are the words of the command line
    run: str | os.PathLike[str] | Recommendation | None,
    *,
    data: object = None,
    group: str | None = None,
    contenders: Sequence[str] = (),
    redraws: int = REDRAWS,
    retrain: bool = False,
    backbone: Backbone | None = None,
    device: str = "auto",
    runs: str | Path = RUNS,
) -> Explanation:
    """Return why a run's test figures differ from its validation figures.

    `run` is a path, hash prefix or `last`; `contenders` are explained, or else the recommended one, or all where none is. `data`
    and `group` are those the run was made with, and needed where it cannot find them again. Fixed extractors are trained anew on
    `redraws` of the pooled images, which takes seconds, others where `retrain` asks for it; 0 leaves it out. `backbone` stands
    for one made in Python. Raises UsageError, DataError, WeightsError, PluginError, UnavailableError, StorageError.
    """
    asked = ask(
        run,
        data=data,
        group=group,
        contenders=contenders,
        redraws=redraws,
        retrain=retrain,
        backbone=backbone,
        device=device,
        runs=runs,
    )
    steps = carry_out(asked)
    return followed(steps)


def carry_out(asked: Asked) -> Generator[str, None, Explanation]:
    """Explain what is asked for, yielding lines that say what is being done, and return the answer."""
    yield "reading the images"
    source, pack = origin.opened(asked.folder, asked.data, asked.group)
    yield "looking for copies"
    pictures = look_for_copies(pack, source.digests)
    read: dict[tuple[str, bytes], Reading] = {}
    found = []
    for name, cells in asked.cells.items():
        choice = _choice(asked, cells[0])
        parts = _parts(asked.folder, cells[0])
        key = choice.label, b"".join(places.tobytes() for places in parts.values())
        if key not in read:
            yield f"telling splits apart by {choice.label}"
            read[key] = read_splits(pictures, parts, choice, asked.device)
        found.append((yield from _explained(asked, name, cells, choice, pictures, read[key])))
    told = {"name": pack.name, "classes": pack.classes, "images": len(pack), "pack": pack.key}
    return Explanation(run=str(asked.folder.path), dataset=told, contenders=tuple(found))


def _explained(
    asked: Asked, name: str, cells: Sequence[Cell], choice: Choice, pictures: Pictures, reading: Reading
) -> Generator[str, None, Autopsy]:
    yield f"taking apart {name}"
    pack = pictures.pack
    seeds = [judged(asked.folder, cell.id, pack.groups_N) for cell in cells]
    if any(not len(one.val.labels_N) or not len(one.test.labels_N) for one in seeds):
        raise UsageError(f"{name} has no validation or no test images to compare", "explain a run with both")
    drop = taken_apart(seeds)
    results = [result for cell in cells if (result := asked.folder.cell(cell.id))]
    known = Known(seeds, drop, reading, fit_of(results, len(pack.classes)), asked.classes, pack.ids_N)
    asked_for = causes(known)
    found, reason = yield from _pooled(asked, cells[0], choice, pack, drop)
    return Autopsy(
        contender=name,
        backbone=choice.label,
        freeze=cells[0].freeze,
        seeds=tuple(cell.seed for cell in cells),
        features=reading.features,
        drop=drop,
        named=tuple(cause.name for cause in asked_for if cause.verdict == YES),
        causes=asked_for,
        pooled=found,
        pooled_reason=reason,
    )


def _pooled(asked: Asked, cell: Cell, choice: Choice, pack: Pack, drop: Drop) -> Generator[str, None, tuple[Pooled | None, str]]:
    if not asked.redraws:
        return None, "not asked for"
    if cell.freeze != "frozen" and not asked.retrain:
        return None, "it is trained whole, which takes its time: ask for it with --retrain"
    if pooling.pooled_rule(cell, pack) is None:
        return None, "its images are pooled already"
    results: list[CellResult] = []
    steps: Iterator[str | list[CellResult]] = pooling.pooled(
        asked.folder, cell, choice, pack, choose(asked.device), asked.redraws
    )
    for step in steps:
        if isinstance(step, str):
            yield step
        else:
            results = step
    is_there = drop.total.low is not None and drop.total.low > 0
    found = pooling.told(results, drop.total.value, is_there, str(asked.folder.path / pooling.FOLDER))
    failed = [one.error["text"] for one in results if one.error]
    return found, "" if found else "; ".join(failed[:1])


def _choice(asked: Asked, cell: Cell) -> Choice:
    reference = asked.references.get(cell.label)
    is_given = asked.backbone is not None and asked.backbone.name == cell.backbone.rpartition(":")[2]
    return saved.choice_of(Saved(asked.folder, cell, asked.classes, reference, None), asked.backbone if is_given else None)


def _parts(folder: RunFolder, cell: Cell) -> dict[str, Any]:
    stored = folder.predictions(cell.id)
    return {name: stored[f"{name}_index"] for name in SPLITS if len(stored[f"{name}_index"])}
