"""The live view: what it says, that names stay names, that it is redrawn rarely, and that nothing of it stays behind."""

from __future__ import annotations

import io
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from strings import HOSTILE
from xzoo.cli import live, progress
from xzoo.cli.board import DONE, FAILED, RUNNING, WAITING, Board
from xzoo.cli.live import Steady, View
from xzoo.compare.experiment import CellEnded, CellStarted, EpochEnded, Event
from xzoo.data.items import printable
from xzoo.runs.result import Cell, CellResult, EpochRecord

BACKBONES = ("one", "two")


def cells(num_seeds: int = 2, name: str = "") -> list[Cell]:
    """Return a frozen and a fine-tuned contender of two backbones, ten epochs each."""
    return [
        Cell(
            id=f"{backbone}-{freeze}-{seed}",
            contender=name or f"{backbone}@random {freeze}",
            backbone=backbone,
            weights="random",
            freeze=freeze,
            seed=seed,
            recipe={"epochs": 10},
            split={},
        )
        for backbone in BACKBONES
        for freeze in ("frozen", "finetune")
        for seed in range(num_seeds)
    ]


def started(cell: Cell) -> CellStarted:
    return CellStarted(cell, 1, 1)


def epoch(cell: Cell, number: int, loss: float = 0.5, accuracy: float | None = 0.75) -> EpochEnded:
    return EpochEnded(
        cell, EpochRecord(epoch=number, learning_rate=0.1, train_loss=loss, train_accuracy=0.5, val_accuracy=accuracy)
    )


def ended(cell: Cell, status: str = "done", *, was_kept: bool = False) -> CellEnded:
    words: dict[str, Any] = {name: getattr(cell, name) for name in ("id", "contender", "backbone", "weights", "freeze", "seed")}
    return CellEnded(CellResult(**words, status=status), 1, 1, was_kept=was_kept)


def board_of(plan: list[Cell], told: list[tuple[Event, float]]) -> Board:
    board = Board(plan, 0.0)
    for event, at in told:
        board.heed(event, at)
    return board


def text_of(board: Board, columns: int = 100, now: float = 0.0) -> str:
    return "\n".join(line.plain for line in View(board, lambda: "1.5 GiB of memory", lambda: now).lines(columns))


def test_the_view_says_where_the_plan_stands() -> None:
    plan = cells()
    told: list[tuple[Event, float]] = [(ended(plan[0], was_kept=True), 1), (ended(plan[1], "failed"), 2), (started(plan[2]), 10)]
    board = board_of(plan, [*told, *((epoch(plan[2], place, 1 - 0.125 * place), 12 + 2 * place) for place in range(5))])
    assert text_of(board, now=60).splitlines() == [
        "cells  ●✗◐○○○○○  1 of 8 done, 1 failed, 5 waiting",
        "one@random finetune, seed 0",
        "  train loss           █▇▅▃▁                                     0.500  epoch 5 of 10",
        "  validation accuracy  ▅▅▅▅▅                                     0.750",
        "1:00 gone, about 1:48 left, 1.5 GiB of memory",
    ]


def test_without_validation_there_is_no_curve_of_it_and_between_cells_none_at_all() -> None:
    plan = cells()
    assert "validation" not in text_of(board_of(plan, [(started(plan[0]), 0), (epoch(plan[0], 0, accuracy=None), 1)]))
    assert "making the next backbone ready" in text_of(board_of(plan, []))


@pytest.mark.parametrize("columns", [1, 7, 20, 40, 60, 79, 200])
def test_no_line_reaches_the_last_columns_however_many_cells_there_are(columns: int) -> None:
    plan = cells(300, name="a name that is long " * 8)
    board = board_of(plan, [(started(plan[0]), 0), *((epoch(plan[0], place), place) for place in range(500))])
    lines = text_of(board, columns).splitlines()
    assert max(map(len, lines)) <= max(1, min(columns, 100) - 3)


def test_many_cells_share_columns() -> None:
    plan = cells(25)
    board = board_of(plan, [(ended(plan[place]), 1.0) for place in range(42)])
    board.heed(ended(plan[42], "failed"), 1.0)
    board.heed(started(plan[60]), 2.0)
    assert board.columns(10) == [DONE] * 4 + [FAILED, WAITING, RUNNING, WAITING, WAITING, WAITING]
    assert board.columns(100).count(DONE) == 42


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_a_name_is_neither_markup_nor_a_code_of_the_terminal(name: str) -> None:
    plan = cells(name=name)
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system=None, width=4000, legacy_windows=False)
    console.print(View(board_of(plan, [(started(plan[0]), 0)]), lambda: ""))
    shown = stream.getvalue()
    assert len(shown.splitlines()) == 4
    assert all(letter.isprintable() for letter in re.sub(r"\x1b\[[0-9;]*m", "", shown) if letter != "\n")
    assert printable(name)[:40] in shown


def test_what_ended_is_told_in_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    plan = cells(name="a\nb\x1b[2Jc")
    progress.follow(iter([ended(plan[0])]), SimpleNamespace(cells=plan), "first", "runs")  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines()[2:] == ["[1/1] a b\\x1b[2Jc, seed 0: "]


def test_however_much_happens_is_drawn_with_the_next_redraw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PER_SECOND", 1e-4)
    monkeypatch.setenv("TERM", "xterm")
    plan, stream = cells(100), io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, legacy_windows=False, highlight=False)
    with Steady(View(board_of(plan, []), lambda: ""), console) as shown:
        before = stream.getvalue().count(" gone")
        for cell in plan:
            shown.say(f"[red]{cell.id}")
        assert (before, stream.getvalue().count(" gone")) == (1, 1)
        shown.refresh()
        assert stream.getvalue().count(" gone") == 2
        assert all(f"[red]{cell.id}\n" in stream.getvalue() for cell in plan)
        shown.say("the last")
    assert "the last\n" in stream.getvalue()


@pytest.mark.parametrize("lack", ["a terminal", "a cursor", "letters"])
def test_where_the_view_cannot_be_shown_there_are_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lack: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb" if lack == "a cursor" else "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: lack != "a terminal")
    if lack == "letters":
        monkeypatch.setattr(Console, "encoding", "ascii")
    plan = cells()
    told: list[Event] = [started(plan[0]), epoch(plan[0], 0), ended(plan[0])]
    progress.follow(iter(told), SimpleNamespace(cells=plan), "first", "runs")  # type: ignore[arg-type]
    shown = capsys.readouterr().err
    assert "  epoch 1: loss 0.5000" in shown
    assert "\x1b[?25l" not in shown


def left(told: list[tuple[Event, float]], now: float, plan: list[Cell]) -> float | None:
    return board_of(plan, told).pace.left(now)


def test_time_left_is_not_known_before_anything_was_computed_and_none_when_all_is_done() -> None:
    plan = cells(1)
    assert left([(started(plan[0]), 3)], 4, plan) is None
    assert left([(ended(cell, was_kept=True), 0) for cell in plan], 9, plan) == 0.0
    assert left([(ended(cell, was_kept=True), 0) for cell in plan[1:]], 9, plan) is None


def test_time_left_goes_by_the_strategy_and_counts_what_lies_between_backbones() -> None:
    plan = cells(1)
    told: list[tuple[Event, float]] = [(started(plan[0]), 5), (ended(plan[0]), 7), (started(plan[1]), 7)]
    told += [(epoch(plan[1], place), 17 + 10 * place) for place in range(4)]
    # One cell of two frozen took 2 s; an epoch of fine-tuning takes 10; a backbone is ready after 5.
    assert left(told, 47, plan) == pytest.approx(6 * 10 + 5 + 2 + 100)
    assert left(told, 51, plan) == pytest.approx(6 * 10 - 4 + 5 + 2 + 100)
    assert left([*told, (ended(plan[1]), 60)], 60, plan) == pytest.approx(5 + 2 + 53)


def test_cells_that_are_kept_or_fail_say_nothing_of_the_speed() -> None:
    plan = cells(2)
    told: list[tuple[Event, float]] = [(ended(plan[0], was_kept=True), 0), (started(plan[1]), 0), (ended(plan[1], "failed"), 1)]
    assert left(told, 1, plan) is None
    told += [(started(plan[2]), 1), (epoch(plan[2], 0), 2)]
    assert left(told, 2, plan) == pytest.approx(9 + 10 + 40)


def test_epochs_that_patience_saves_are_saved_of_the_next_cell_too() -> None:
    plan = cells(2)[:2]
    told: list[tuple[Event, float]] = [(started(plan[0]), 0), *((epoch(plan[0], place), 1 + place) for place in range(3))]
    assert left([*told, (ended(plan[0]), 3)], 3, plan) == pytest.approx(3)


def test_a_clock_has_hours_only_where_there_are_some() -> None:
    assert [live.clock(seconds) for seconds in (0, 59.9, 61, 3599, 3600, 36_065)] == [
        "0:00",
        "0:59",
        "1:01",
        "59:59",
        "1:00:00",
        "10:01:05",
    ]


def test_memory_is_that_of_this_process_now() -> None:
    said = re.fullmatch(r"(\d+\.\d) GiB of memory", live.memory_of("cpu")())
    assert said
    assert 0 < float(said[1]) < 64
