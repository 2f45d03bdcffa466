"""Two processes with one plan: what one computes the other does not, and takes what it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xzoo.compare import sharing
from xzoo.compare.sharing import Sharing
from xzoo.runs.result import Cell, CellResult
from xzoo.runs.store import RunFolder

WORDS: dict[str, Any] = {"contender": "net frozen", "backbone": "net", "weights": "random", "freeze": "frozen"}
CELLS = [Cell(id=f"cell{seed}", **WORDS, seed=seed, recipe={}, split={}) for seed in range(3)]
FIRST, SECOND, THIRD = CELLS


def done(cell: Cell, status: str = "done") -> CellResult:
    return CellResult(id=cell.id, **WORDS, seed=cell.seed, status=status)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def sides(folder: RunFolder) -> tuple[Sharing, Sharing]:
    missing = [cell.id for cell in CELLS]
    return Sharing(folder, CELLS, missing), Sharing(folder, CELLS, missing)


def test_what_one_computes_the_other_leaves_and_then_takes_as_it_is(folder: RunFolder) -> None:
    one, other = sides(folder)
    assert one.mine([FIRST]) == [FIRST]
    assert one.mine([FIRST]) == [FIRST]
    assert other.mine(CELLS) == [SECOND, THIRD]
    assert list(other.elsewhere()) == []
    folder.write_cell(done(FIRST), {"val_index": np.arange(2)})
    assert other.mine([FIRST]) == []
    one.ended(FIRST.id)
    assert other.mine([FIRST]) == [], "it is done"
    assert list(other.elsewhere()) == [done(FIRST)]
    assert list(other.open) == [SECOND.id, THIRD.id]
    assert one.mine(CELLS[1:]) == []


def test_a_failure_counts_as_an_end_where_it_is_a_new_one(folder: RunFolder) -> None:
    folder.write_failure(done(FIRST, "failed"))
    one, other = sides(folder)
    assert list(other.elsewhere()) == [], "it is from before, and tried again"
    assert one.mine([FIRST, SECOND]) == [FIRST, SECOND]
    for cell in (FIRST, SECOND):
        folder.write_failure(done(cell, "failed"))
        one.ended(cell.id)
    assert other.mine([FIRST, SECOND]) == []
    assert list(other.elsewhere()) == [done(FIRST, "failed"), done(SECOND, "failed")]


def test_what_one_gives_back_undone_the_other_may_compute(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_WAIT_SECONDS", 0)
    one, other = sides(folder)
    with one:
        one.mine(CELLS)
        assert other.free() == []
        assert other.holders()[0].startswith("process ")
        assert one.holders() == ()
    assert other.free() == CELLS
    assert other.mine(CELLS) == CELLS
    assert other.holders() == ()
