from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import xzoo
from xzoo.cli import progress
from xzoo.cli.board import WAITING, Board
from xzoo.compare import plan as plans
from xzoo.compare.experiment import CellEnded, CellsAwaited, CellStarted, EpochEnded, Event
from xzoo.compare.plan import Plan, Variation
from xzoo.data.pack import Pack
from xzoo.data.split import SplitRule
from xzoo.runs.result import Cell, CellResult, EpochRecord, Measure, Metrics
from xzoo.train.recipe import Recipe
from xzoo.zoo.spec import Choice, RandomStart

FIRST_LINE = "train 24, val 8, test 8 (yours)"
COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])[0-9;]*m")
TERMINAL = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "TERM", "COLORTERM", "COLUMNS")


@pytest.fixture
def plan(pack: Pack, tiny: xzoo.Backbone) -> Plan:
    recipe = Recipe(epochs=2, lr=0.1)
    varied = Variation(recipe=recipe, split=SplitRule(), words="split=[0.7/0.3]")
    return plans.make([Choice(tiny, RandomStart(0), "python", "tiny")], pack, ["frozen"], [0, 1, 2], [varied])


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TERMINAL:
        monkeypatch.delenv(name, raising=False)


def result(cell: Cell, error: str = "") -> CellResult:
    words: dict[str, Any] = {name: getattr(cell, name) for name in ("id", "contender", "backbone", "weights", "freeze", "seed")}
    if error:
        return CellResult(**words, status="failed", error={"kind": "cell", "text": error, "remedy": "lower lr"})
    val, test = (Metrics(accuracy=Measure(value, None, None, 8)) for value in (0.875, 0.75))
    return CellResult(**words, status="done", val=val, test=test)


def epoch(cell: Cell, number: int) -> EpochEnded:
    return EpochEnded(
        cell,
        EpochRecord(
            epoch=number,
            learning_rate=0.1,
            train_loss=0.5,
            train_accuracy=0.75,
            val_loss=0.25,
            val_accuracy=0.875,
            seconds=1.5,
        ),
    )


def events(plan: Plan) -> Iterator[Event]:
    """One cell kept from before, one that is trained, one that fails."""
    kept, trained, fails = plan.cells
    yield CellEnded(result(kept), 1, 3, was_kept=True)
    yield CellStarted(trained, 2, 3)
    yield epoch(trained, 0)
    yield epoch(trained, 1)
    yield CellEnded(result(trained), 2, 3, was_kept=False)
    yield CellStarted(fails, 3, 3)
    yield CellEnded(result(fails, "the loss became [nan]"), 3, 3, was_kept=False)


NAME = "tiny@random frozen split=[0.7/0.3], seed"
LINES = [
    FIRST_LINE,
    "3 cells, kept in runs [old]/x",
    f"[1/3] {NAME} 0: validation 0.875, test 0.750 (kept from before)",
    f"[2/3] {NAME} 1",
    "  epoch 1: loss 0.5000, accuracy 0.750, validation loss 0.2500, accuracy 0.875, 1.5 s",
    "  epoch 2: loss 0.5000, accuracy 0.750, validation loss 0.2500, accuracy 0.875, 1.5 s",
    f"[2/3] {NAME} 1: validation 0.875, test 0.750",
    f"[3/3] {NAME} 2",
    f"[3/3] {NAME} 2: failed: the loss became [nan]",
]


def test_without_a_terminal_every_event_is_a_plain_line(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    progress.follow(events(plan), plan, FIRST_LINE, "runs [old]/x")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == LINES


@pytest.mark.parametrize("folder", ["runs [/old]", "[red]runs", ":warning:"])
def test_a_folder_is_shown_as_it_is_called(plan: Plan, capsys: pytest.CaptureFixture[str], folder: str) -> None:
    progress.follow(iter(()), plan, FIRST_LINE, folder)
    assert capsys.readouterr().err.splitlines() == [FIRST_LINE, f"3 cells, kept in {folder}"]


def test_long_lines_are_not_broken(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    progress.follow(iter(()), plan, FIRST_LINE, "a/long folder/" * 30)
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.fixture
def on_a_terminal(plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[bool], str]:
    """Show the events as on a terminal of 200 columns, with or without NO_COLOR, and return what was written."""

    def show(no_colour: bool) -> str:
        for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm-256color"), ("COLUMNS", "200")):
            monkeypatch.setenv(name, value)
        if no_colour:
            monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        progress.follow(events(plan), plan, FIRST_LINE, "runs [old]/x")
        out, err = capsys.readouterr()
        assert out == ""
        return err

    return show


def test_a_terminal_shows_a_live_line_and_how_each_cell_ended(on_a_terminal: Callable[[bool], str]) -> None:
    shown = on_a_terminal(False)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    for line in (LINES[0], LINES[1], LINES[2], LINES[6], LINES[8]):
        assert line in plain
    assert COLOUR.search(shown)


def test_no_color_is_heeded(on_a_terminal: Callable[[bool], str]) -> None:
    shown = on_a_terminal(True)
    assert LINES[6] in shown
    assert not COLOUR.search(shown)


def test_an_epoch_without_validation_is_told(plan: Plan) -> None:
    ended = epoch(plan.cells[0], 0)
    bare = dataclasses.replace(ended, record=dataclasses.replace(ended.record, val_loss=None, val_accuracy=None))
    assert progress.line_of(bare) == "  epoch 1: loss 0.5000, accuracy 0.750, 1.5 s"


def test_who_waits_for_another_command_says_for_which(plan: Plan) -> None:
    event = CellsAwaited(2, ("process 7 on node",))
    assert progress.lines_of(event) == ["2 cells of this plan: computed by another command (process 7 on node); waiting for it"]
    board = Board(plan.cells, 0.0)
    board.heed(event, 5.0)
    assert board.count(WAITING) == 3
    assert board.pace.left(5.0) is None
