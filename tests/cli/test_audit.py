"""`xzoo audit`: one object or one page, and an exit code that gates can use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import xzoo
from xzoo.audit.outcome import Audit
from xzoo.cli import audit, main
from xzoo.report.audits import audit_text

DATA = "phantom:train=40,val=24,test=24,size=32"


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        return xzoo.audit(DATA)


def test_the_answer_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", DATA, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["schema"] == "xzoo.audit/1"
    assert found.keys() >= {
        *("dataset", "features", "unreadable", "odd", "copies", "num_copies", "conflicts", "leaks", "splits", "shifts"),
        *("controls", "findings", "not_examined", "environment"),
    }
    for row in found["shifts"]:
        for test in (row["total"], row["appearance"]):
            assert test["auroc"].keys() == {"value", "low", "high", "n"}
    assert all(one.keys() == {"id", "severity", "text", "remedy"} for one in found["findings"])
    assert "train 40, val 24, test 24 (yours)" in err.splitlines()


def test_the_page_names_splits_pairs_and_what_was_left_out(found: Audit) -> None:
    out = audit_text(found)
    for words in ("val | test", "halves of test", "24 test images", "not examined: MONOCHROME1", "[power]"):
        assert words in out


@pytest.mark.parametrize(("word", "code"), [("warning", 1), ("power", 1), ("error", 0), ("shift,leaked-copies", 0)])
def test_a_gate_fails_on_what_it_names_and_on_nothing_else(
    word: str, code: int, found: Audit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "_followed", lambda data, **asked: found)
    assert main(["audit", DATA, "--fail-on", word]) == code
    assert "[power]" in capsys.readouterr().out


def test_a_word_that_is_no_finding_is_refused_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "nowhere", "--fail-on", "leakge"]) == 2
    assert "there is no finding 'leakge'" in capsys.readouterr().err


@pytest.mark.parametrize("data", ["nowhere", ""])
def test_data_that_is_not_there_is_wrong_use(data: str) -> None:
    assert main(["audit", data]) == 2
