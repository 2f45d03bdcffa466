"""`xzoo runs`: what lies in the run folders, shown again and held against each other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xzoo

DATA = "phantom:train=16,val=8,test=8,size=32"
Answer = tuple[int, str, str]
Reader = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny: xzoo.Backbone) -> Path:
    """Two runs, the older of one epoch, the newer of two."""
    runs = tmp_path_factory.mktemp("runs")
    for epochs in (1, 2):
        outcome = xzoo.compare([tiny], DATA, freeze=["frozen"], seeds=1, recipe={"epochs": epochs}, runs=runs)
        os.utime(Path(outcome.run) / "plan.json", (1_700_000_000 + epochs, 1_700_000_000 + epochs))
    return runs


def test_runs_are_listed_the_newest_first(command: Callable[..., Answer], one_object: Reader, runs: Path) -> None:
    code, out, _ = command("runs", "--runs", str(runs), "--format", "json")
    found = one_object(out)
    assert (code, found["schema"]) == (0, "xzoo.runs/1")
    newest, oldest = found["runs"]
    assert (newest["when"], oldest["when"]) == ("2023-11-14T22:13:22+00:00", "2023-11-14T22:13:21+00:00")
    assert (newest["done"], newest["cells"], newest["best"]) == (1, 1, "tiny@random frozen")
    assert 0 <= newest["val_accuracy"] <= 1
    code, text, _ = command("runs", "--runs", str(runs))
    assert [line.split()[0] for line in text.splitlines()[2:]] == [newest["run"], oldest["run"]]


def test_an_unfinished_and_a_broken_run_are_listed_with_the_others(
    command: Callable[..., Answer], one_object: Reader, runs: Path, tmp_path: Path
) -> None:
    code, out, _ = command("runs", "--runs", str(runs), "--format", "json")
    whole = one_object(out)["runs"][0]
    shutil.copytree(whole["path"], tmp_path / "unfinished")
    (tmp_path / "unfinished" / "compare.json").unlink()
    shutil.rmtree(tmp_path / "unfinished" / "cells")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plan.json").write_text("{")
    code, out, _ = command("runs", "--runs", str(tmp_path), "--format", "json")
    rows = {row["run"]: row for row in one_object(out)["runs"]}
    assert code == 0
    assert (rows["unfinished"]["done"], rows["unfinished"]["cells"], rows["unfinished"]["best"]) == (0, 1, None)
    assert "plan.json" in rows["broken"]["error"]
    code, _, err = command("runs", "show", "unfinished", "--runs", str(tmp_path))
    assert code == 2
    assert "0 of 1 cells are done" in err
    code, _, err = command("runs", "show", "broken", "--runs", str(tmp_path))
    assert code == 5
    assert "plan.json" in err


def test_no_runs_is_an_answer(command: Callable[..., Answer], one_object: Reader, tmp_path: Path) -> None:
    assert command("runs", "--runs", str(tmp_path))[:2] == (0, f"no runs in {tmp_path}\n")
    assert one_object(command("runs", "--runs", str(tmp_path), "--format", "json")[1])["runs"] == []


def test_show_prints_what_compare_said(command: Callable[..., Answer], one_object: Reader, runs: Path) -> None:
    import msgspec

    from xzoo.compare.history import read_outcome
    from xzoo.report.tables import outcome_text
    from xzoo.runs.store import find

    code, out, _ = command("runs", "show", "last", "--runs", str(runs), "--format", "json")
    stored = find("last", runs).path / "compare.json"
    assert code == 0
    assert one_object(out) == msgspec.json.decode(stored.read_bytes())
    code, text, _ = command("runs", "show", "last", "--runs", str(runs))
    assert text == outcome_text(read_outcome(find("last", runs))) + "\n"
    assert "tiny@random frozen" in text


def test_options_may_stand_before_the_subcommand(command: Callable[..., Answer], one_object: Reader, runs: Path) -> None:
    code, out, _ = command("runs", "--runs", str(runs), "--format", "json", "show", "last")
    assert code == 0
    assert one_object(out)["schema"] == "xzoo.compare/1"


def test_diff_says_what_changed(command: Callable[..., Answer], one_object: Reader, runs: Path) -> None:
    listed = one_object(command("runs", "--runs", str(runs), "--format", "json")[1])["runs"]
    words = ("runs", "diff", listed[1]["run"][:8], "last", "--runs", str(runs))
    code, out, _ = command(*words, "--format", "json")
    found = one_object(out)
    assert (code, found["schema"]) == (0, "xzoo.runs.diff/1")
    assert found["changes"] == [{"area": "recipe", "name": "epochs", "a": 1, "b": 2}]
    [row] = found["contenders"]
    assert row["id"] == "tiny@random frozen"
    assert row["test"]["images"] == 8
    code, text, _ = command(*words)
    assert "recipe epochs:  1  ->  2" in text
    assert "of 8 answers changed" in text


@pytest.mark.parametrize("words", [("show",), ("diff", "last"), ("show", "nosuch"), ("diff", "last", "nosuch"), ("nosuch",)])
def test_wrong_words_end_with_2(command: Callable[..., Answer], runs: Path, words: tuple[str, ...]) -> None:
    code, out, err = command("runs", *words, *(("--runs", str(runs)) if words[0] != "nosuch" else ()))
    assert (code, out) == (2, "")
    assert "Traceback" not in err


def test_the_list_of_runs_needs_no_torch(process: Callable[..., Answer], runs: Path) -> None:
    start = "import sys; from xzoo.cli import main; code = main(); print('torch' in sys.modules); sys.exit(code)"
    code, out, _ = process("runs", "--runs", str(runs), code=start)
    assert code == 0
    assert out.splitlines()[-1] == "False"
