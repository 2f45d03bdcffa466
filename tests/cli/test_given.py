"""`xzoo compare` on predictions and accuracies: one screen or one object, and no word of training beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xzoo.cli.frame import run

HEAD = "path,label,normal,ill\n"


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(["compare", *words])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    found = []
    for name, wrong in (("a", 5), ("b", 30)):
        rows = [
            f"{place}.png,{('normal', 'ill')[place % 2]},{abs((place % 2 ^ (place < wrong)) - 0.9):.1f}" for place in range(100)
        ]
        file = tmp_path / f"{name}.csv"
        file.write_text(HEAD + "\n".join(f"{row},{1 - float(row.rpartition(',')[2]):.1f}" for row in rows) + "\n")
        found.append(str(file))
    return found


def test_predictions_give_a_table_and_a_verdict(capsys: pytest.CaptureFixture[str], files: list[str]) -> None:
    code, out, err = answer(capsys, "--predictions", *files)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "100 images, classes ill, normal; guessing reaches 0.500"
    assert "these images: a is ahead of b (difference +0.250" in out
    assert [line.split()[:2] for line in out.splitlines()[4:6]] == [["1", "a"], ["2", "b"]]
    assert max(map(len, out.splitlines())) <= 130


def test_predictions_give_one_object(capsys: pytest.CaptureFixture[str], files: list[str]) -> None:
    code, out, _ = answer(capsys, *files, "--predictions", "--format", "json", "--positive", "ill", "--margin", "0.1")
    value = json.loads(out)
    assert (code, value["schema"], value["positive"], value["margin"]) == (0, "xzoo.predictions/1", "ill", 0.1)
    assert {"a", "b", "verdict", "rests_on", "p_holm", "p_equivalent", "auroc"} <= value["comparisons"][0].keys()
    assert value["contenders"][0]["figures"]["accuracy"]["low"] > 0.8


def test_accuracies_give_the_range_and_ask_for_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = answer(capsys, "--accuracies", "72.5%/400", "74%/400")
    assert code == 0
    flat = " ".join(out.split())
    assert "cannot tell. Difference -0.0150; they may disagree on 6 to 214 images, which gives p 0.0312 to 0.733" in flat
    assert "Give the predictions of both" in flat
    code, out, _ = answer(capsys, "--accuracies", "54.5%/400", "46.0%/400", "--format", "json")
    value = json.loads(out)
    assert (value["schema"], [one["guessing"] for one in value["contenders"]]) == ("xzoo.accuracies/1", [True, True])
    code, out, _ = answer(capsys, "--accuracies", "290/400", "296/400", "--disagreements", "20,26")
    assert "cannot be told from" in out
    assert "p 0.46" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--predictions", "a.csv", "--epochs", "3"], "--epochs has no part in --predictions"),
        (["--accuracies", "1/2", "--data", "x"], "--data has no part in --accuracies"),
        (["--predictions", "--accuracies", "1/2"], "--accuracies has no part in --predictions"),
        (["--predictions", "a.csv", "--disagreements", "1,2"], "--disagreements has no part in --predictions"),
        (["alexnet", "--guessing", "0.5"], "--guessing has no part in training"),
        (["--accuracies", "1/2", "2/2", "--disagreements", "1"], "--disagreements '1' is not understood"),
        (["alexnet", "--margin", "2"], "margin 2 is no difference"),
        (["--predictions", "none.csv"], "there is no file none.csv"),
    ],
)
def test_words_that_do_not_go_together_are_refused(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    code, out, err = answer(capsys, *words)
    assert code == 2
    assert out == ""
    assert said in err
