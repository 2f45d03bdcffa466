"""`xzoo report`: from run folders to a file, or to stdout."""

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
    """A finished run, and an older copy of it under another name."""
    runs = tmp_path_factory.mktemp("runs")
    outcome = xzoo.compare([tiny], DATA, freeze=["frozen"], seeds=1, recipe={"epochs": 2}, runs=runs, latency=False)
    shutil.copytree(outcome.run, runs / "another")
    os.utime(runs / "another" / "plan.json", (1_700_000_000, 1_700_000_000))
    return runs


def test_the_last_run_becomes_a_page_where_one_stands(
    command: Callable[..., Answer], runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("report", "last", "--runs", str(runs))[:2] == (0, "xzoo-report.html\n")
    page = (tmp_path / "xzoo-report.html").read_text("utf-8")
    assert "tiny@random frozen" in page
    assert "<code>epochs=2</code>" in page


def test_a_file_can_be_named_and_several_runs_be_given(command: Callable[..., Answer], runs: Path, tmp_path: Path) -> None:
    both = sorted(path.name for path in runs.iterdir())
    goal = tmp_path / "new" / "both.html"
    assert command("report", *both, "--runs", str(runs), "-o", str(goal))[:2] == (0, f"{goal}\n")
    page = goal.read_text("utf-8")
    assert all(name in page for name in both)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.md", "# xzoo"), ("a.csv", "run,rank"), ("a.TEX", r"\begin{table}"), ("a.htm", "<!doctype"), ("a", "<!doctype")],
)
def test_a_files_ending_says_its_form_where_no_other_is_asked_for(
    command: Callable[..., Answer], runs: Path, tmp_path: Path, name: str, begins: str
) -> None:
    assert command("report", "last", "--runs", str(runs), "-o", str(tmp_path / name))[0] == 0
    assert (tmp_path / name).read_text("utf-8").lower().startswith(begins)
    assert command("report", "last", "--runs", str(runs), "--format", "csv", "-o", str(tmp_path / name))[0] == 0
    assert (tmp_path / name).read_text("utf-8").startswith("run,rank")


def test_json_is_one_object_on_stdout_and_in_the_file(
    command: Callable[..., Answer], one_object: Reader, runs: Path, tmp_path: Path
) -> None:
    goal = tmp_path / "report.json"
    code, out, _ = command("report", "last", "--runs", str(runs), "--format", "json", "-o", str(goal))
    assert (code, one_object(out)["schema"]) == (0, "xzoo.report/1")
    assert goal.read_text("utf-8") == out


def test_a_run_that_is_not_finished_or_not_there_is_refused(command: Callable[..., Answer], runs: Path, tmp_path: Path) -> None:
    code, out, err = command("report", "nosuch", "--runs", str(runs))
    assert (code, out) == (2, "")
    assert "there is no run 'nosuch'" in err
    whole = next(iter(runs.iterdir()))
    shutil.copytree(whole, tmp_path / "runs" / whole.name)
    (tmp_path / "runs" / whole.name / "compare.json").unlink()
    code, out, err = command("report", "last", "--runs", str(tmp_path / "runs"))
    assert (code, out) == (2, "")
    assert "has no outcome yet" in err


def test_a_place_that_cannot_be_written_is_told(command: Callable[..., Answer], runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, out, err = command("report", "last", "--runs", str(runs), "-o", str(tmp_path / "file" / "report.html"))
    assert (code, out) == (5, "")
    assert "cannot write" in err


def test_a_report_without_maps_needs_no_torch(process: Callable[..., Answer], runs: Path, tmp_path: Path) -> None:
    start = "import sys; from xzoo.cli import main; code = main(); print('torch' in sys.modules); sys.exit(code)"
    code, out, _ = process(
        "report", "last", "--runs", str(runs), "--format", "csv", "-o", str(tmp_path / "report.csv"), code=start
    )
    assert (code, out.splitlines()[-1]) == (0, "False")


def test_a_card_for_each_model_goes_into_a_folder(
    command: Callable[..., Answer], runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = command("report", "last", "--runs", str(runs), "--format", "card")
    assert code == 0
    [folder] = out.splitlines()
    assert {path.name for path in Path(folder).iterdir()} == {"README.md", "CHECKLISTS.md"}
    assert Path(folder).parent.name == "xzoo-cards"
    both = sorted(path.name for path in runs.iterdir())
    code, out, _ = command("report", *both, "--runs", str(runs), "--format", "card", "-o", str(tmp_path / "all"))
    assert (code, len(set(out.splitlines()))) == (0, 2)


def test_a_card_that_was_filled_in_is_kept(command: Callable[..., Answer], runs: Path, tmp_path: Path) -> None:
    words = ("report", "last", "--runs", str(runs), "--format", "card", "-o", str(tmp_path / "cards"))
    code, out, _ = command(*words)
    assert (code, command(*words)[0]) == (0, 0), "what nobody touched may be written anew"
    (filled := Path(out.strip()) / "CHECKLISTS.md").write_text("mine")
    code, _, err = command(*words)
    assert code == 2
    assert "CHECKLISTS.md would be written over" in err
    assert filled.read_text() == "mine"
