"""How a cell that goes on from a checkpoint is told: in lines, on the board, and in what is still to come."""

from __future__ import annotations

import pytest

from xzoo.cli.board import Board
from xzoo.cli.pace import Pace
from xzoo.cli.progress import lines_of
from xzoo.compare.experiment import CellEnded, CellResumed, CellStarted, EpochEnded
from xzoo.compare.resuming import Resumed
from xzoo.runs.result import Cell, CellResult, EpochRecord

CELLS = [
    Cell(
        id=f"a-{seed}",
        contender="a",
        backbone="a",
        weights="random",
        freeze="finetune",
        seed=seed,
        recipe={"epochs": 10},
        split={},
    )
    for seed in (0, 1)
]
CURVES = tuple(EpochRecord(epoch=epoch, learning_rate=0.1, train_loss=0.5, train_accuracy=0.5) for epoch in range(7))


def resumed(epochs: int, step: int = 0, times: int = 1, messages: tuple[str, ...] = ()) -> CellResumed:
    return CellResumed(CELLS[0], Resumed(epochs, CURVES[:epochs], step, 50, times, messages))


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (resumed(2, 12), ["  goes on from a checkpoint in epoch 3 of 10, behind step 12 of 50"]),
        (resumed(7), ["  goes on from a checkpoint in epoch 8 of 10"]),
        (resumed(10), ["  goes on from a checkpoint in its evaluation"]),
        (
            resumed(1, 1, messages=("it is damaged",)),
            ["  it is damaged", "  goes on from a checkpoint in epoch 2 of 10, behind step 1 of 50"],
        ),
        (resumed(0, 0, 0, ("it is damaged",)), ["  it is damaged", "  begins anew, since no checkpoint could be used"]),
    ],
)
def test_a_line_says_where_a_cell_goes_on_behind_what_could_not_be_used(event: CellResumed, lines: list[str]) -> None:
    assert lines_of(event) == lines


def test_the_board_has_the_curves_of_before() -> None:
    board = Board(CELLS, 0.0)
    board.heed(CellStarted(CELLS[0], 1, 2), 0.0)
    board.heed(resumed(3), 0.0)
    board.heed(EpochEnded(CELLS[0], CURVES[3]), 1.0)
    assert board.curves == list(CURVES[:4])


def test_epochs_of_before_take_no_time_now() -> None:
    pace = Pace(CELLS, 0.0)
    pace.heed(CellStarted(CELLS[0], 1, 2), 0.0)
    pace.heed(resumed(6), 0.0)
    pace.heed(EpochEnded(CELLS[0], CURVES[6]), 2.0)
    assert pace.left(2.0) == pytest.approx(3 * 2 + 10 * 2)
    values = {name: getattr(CELLS[0], name) for name in ("id", "contender", "backbone", "weights", "freeze", "seed")}
    pace.heed(CellEnded(CellResult(**values, status="done"), 1, 2, was_kept=False), 8.0)
    assert pace.left(8.0) == pytest.approx(10 * 2)
