"""Several cells run at a time, as on a cluster: the view, the plain lines and the time left keep them apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from xzoo.cli import progress
from xzoo.cli.board import RUNNING, WAITING, Board
from xzoo.compare.experiment import CellEnded, CellLost, CellStarted, EpochEnded, Event
from xzoo.runs.result import Cell, CellResult, EpochRecord

WORDS: dict[str, Any] = {"contender": "net@random finetune", "backbone": "net", "weights": "random", "freeze": "finetune"}
FIRST, SECOND, THIRD, FOURTH = (Cell(id=f"cell{seed}", **WORDS, seed=seed, recipe={"epochs": 10}, split={}) for seed in range(4))


def epoch(cell: Cell, number: int) -> EpochEnded:
    return EpochEnded(cell, EpochRecord(epoch=number, learning_rate=0.1, train_loss=cell.seed + 0.5, train_accuracy=0.5))


def ended(cell: Cell) -> CellEnded:
    return CellEnded(CellResult(id=cell.id, **WORDS, seed=cell.seed, status="done"), 1, 4, was_kept=False)


def board_of(*told: tuple[Event, float]) -> Board:
    board = Board([FIRST, SECOND, THIRD, FOURTH], 0.0)
    for event, now in told:
        board.heed(event, now)
    return board


TWO: list[tuple[Event, float]] = [
    (CellStarted(FIRST, 1, 4), 0.0),
    (CellStarted(SECOND, 2, 4), 0.0),
    (epoch(SECOND, 0), 1.0),
    (epoch(FIRST, 0), 1.0),
]


def test_the_view_shows_the_first_of_them_and_its_own_curves() -> None:
    board = board_of(*TWO)
    assert board.running == FIRST
    assert [record.train_loss for record in board.curves] == [0.5]
    board.heed(ended(FIRST), 10.0)
    assert board.running == SECOND
    assert [record.train_loss for record in board.curves] == [1.5]
    assert board.count(RUNNING) == 1


def test_a_lost_cell_waits_again_and_begins_anew() -> None:
    board = board_of(*TWO, (CellLost(FIRST, "its node is gone"), 2.0))
    assert board.running == SECOND
    assert board.count(WAITING) == 3
    board.heed(CellStarted(FIRST, 1, 4), 3.0)
    board.heed(ended(SECOND), 10.0)
    assert (board.running, board.curves) == (FIRST, [])


def test_time_left_counts_on_as_many_at_a_time() -> None:
    told = [*TWO, *((epoch(cell, number), number + 1.0) for number in range(1, 5) for cell in (FIRST, SECOND))]
    left = board_of(*told).pace.left(5.0)
    assert left == pytest.approx((2 * 5 + 2 * 10) / 2)


def test_plain_lines_say_whose_epoch_it_is_where_that_changes(capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = [event for event, _ in TWO]
    lost: list[Event] = [CellLost(SECOND, "its node is gone"), ended(FIRST)]
    progress.follow(iter([*events, epoch(FIRST, 1), *lost]), SimpleNamespace(cells=[FIRST, SECOND]), "first line", "runs")  # type: ignore[arg-type]
    said = capsys.readouterr().err.splitlines()[2:]
    assert [line.split(", loss")[0].split(" loss")[0] for line in said] == [
        "[1/4] net@random finetune, seed 0",
        "[2/4] net@random finetune, seed 1",
        "  epoch 1:",
        "net@random finetune, seed 0:",
        "  epoch 1:",
        "  epoch 2:",
        "net@random finetune, seed 1: its worker was lost, its node is gone; it is computed elsewhere",
        "[1/4] net@random finetune, seed 0: ",
    ]
