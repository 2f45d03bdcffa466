"""Documents of plain text: what they hold, and that names stay names in each of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

import xzoo
from xzoo.compare.outcome import Outcome
from xzoo.report import documents, writing
from xzoo.report.contents import Contents
from xzoo.runs.store import RunFolder


@pytest.fixture(scope="module")
def found(run: Path) -> list[Contents]:
    return writing.gather([run], "nowhere")


@pytest.fixture(scope="module")
def outcome(run: Path) -> Outcome:
    read = RunFolder(run).outcome(Outcome)
    assert read is not None
    return read


def test_csv_holds_every_figure_as_a_number(found: list[Contents], outcome: Outcome, run: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(documents.as_csv(found))))
    assert [row["contender"] for row in rows] == [one.id for one in outcome.contenders]
    for row, one in zip(rows, outcome.contenders, strict=True):
        assert (row["run"], int(row["rank"]), int(row["seeds"])) == (run.name, one.rank, len(one.seeds))
        for split in ("train", "val", "test"):
            measure = getattr(one, split)["accuracy"]
            for part in ("value", "low", "high", "spread"):
                assert float(row[f"{split}_{part}"]) == measure[part]
        assert float(row["latency_ms"]) == one.latency_ms


def test_markdown_holds_answer_table_findings_and_origins(found: list[Contents], outcome: Outcome) -> None:
    lines = documents.as_markdown(found).splitlines()
    assert lines[0] == "# xzoo report: photos, run 0123456789ab"
    table = [line for line in lines if line.startswith("| ")]
    assert len(table) == 2 + len(outcome.contenders)
    assert "warning \\[chance\\] a contender cannot be told from guessing. Train longer." in "\n".join(lines)
    assert "* command: xzoo compare alexnet googlenet mobilenet --data photos" in lines
    assert f"* alexnet@V1: licence BSD-3-Clause, sha256 {'ab' * 32}" in lines


def test_latex_is_a_table_of_the_contenders(found: list[Contents], outcome: Outcome) -> None:
    lines = documents.as_latex(found).splitlines()
    rows = lines[lines.index(r"\midrule") + 1 : lines.index(r"\bottomrule")]
    assert [row.split(" & ")[1] for row in rows] == [one.id for one in outcome.contenders]
    assert all(row.count(" & ") == 7 and row.endswith(r" \\") for row in rows)
    assert r"95\%" in "\n".join(lines)


@pytest.mark.parametrize(
    ("form", "name"), [("", "xzoo-report.html"), ("csv", "xzoo-report.csv"), ("card", "xzoo-cards"), ("json", "xzoo-report.json")]
)
def test_without_a_path_the_form_says_the_name(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert xzoo.report(run, form=form) == Path(name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "begins"), [("a.md", "# xzoo"), ("a.csv", "run,rank"), ("a.tex", r"\begin{table}"), ("a.json", "{")]
)
def test_the_ending_of_a_file_says_its_form(run: Path, tmp_path: Path, name: str, begins: str) -> None:
    assert xzoo.report(run, tmp_path / name).read_text("utf-8").startswith(begins)
