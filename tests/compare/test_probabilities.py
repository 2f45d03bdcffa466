"""What a result holds of its probabilities, from arrays and in a trained cell, and what is shown of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import xzoo
from xzoo.compare.cell import compute
from xzoo.compare.finishing import Output
from xzoo.compare.outcome import Outcome
from xzoo.compare.probabilities import Answers, judge, over_seeds
from xzoo.data.pack import Pack
from xzoo.report.operating import operating_note, operating_rows
from xzoo.runs.result import CellResult, Contender
from xzoo.train.device import choose

CLASSES = ("normal", "pneumonia")


def answers(n: int, shift: float = 0.0, bold: float = 1.0, seed: int = 0) -> Answers:
    """Return calibrated probabilities, made bolder and moved: `shift` is on the log odds of the second class."""
    odds_N = np.random.default_rng(seed).normal(0, 1.5, n)
    labels_N = (np.random.default_rng(seed + 1).random(n) < 1 / (1 + np.exp(-odds_N))).astype(int)
    said_N = 1 / (1 + np.exp(-(bold * odds_N + shift)))
    return Answers(np.column_stack([1 - said_N, said_N]), labels_N)


def cell(seed: int, **judged: Any) -> CellResult:
    words = {"contender": "net frozen", "backbone": "net", "weights": "random", "freeze": "frozen", "status": "done"}
    return CellResult(**words, id=f"x-{seed}", seed=seed, **judged)  # type: ignore[arg-type]


def test_a_moved_threshold_is_mended_by_the_one_that_validation_chose() -> None:
    told = judge(answers(2000, 2.0), answers(1000, 2.0, seed=5), CLASSES, "pneumonia")
    youden = told["operating"][0]
    assert youden["of"] == "pneumonia"
    assert youden["threshold"] > 0.8
    assert youden["test"]["accuracy"]["value"] > youden["at_argmax"]["accuracy"]["value"] + 0.1
    assert told["calibration"]["test"]["verdict"] == "too high for pneumonia"


def test_a_temperature_of_validation_mends_the_boldness_of_test() -> None:
    told = judge(answers(3000, bold=3.0), answers(2000, bold=3.0, seed=5), CLASSES, "pneumonia")
    cooled, plain = told["calibration"]["temperature"], told["calibration"]["test"]
    assert cooled["value"] == pytest.approx(3.0, abs=0.3)
    assert plain["verdict"].startswith("too extreme")
    assert cooled["test"]["verdict"] == "no departure found"
    assert cooled["test"]["ece"] < 0.3 * plain["ece"]
    assert cooled["test"]["slope"]["low"] < 1 < cooled["test"]["slope"]["high"]


def test_what_has_no_figures_is_none_and_all_of_it_is_plain() -> None:
    empty = answers(0)
    told = judge(answers(50), empty, CLASSES, None)
    assert told["calibration"]["test"] is None
    assert told["calibration"]["temperature"]["test"] is None
    assert told["operating"][0]["test"] is None
    none = judge(empty, answers(50), CLASSES, None)
    assert none["calibration"]["temperature"]["reason"] == "validation holds no image"
    assert none["operating"][0]["threshold"] is None
    several = Answers(np.full((6, 3), 1 / 3), np.arange(6) % 3)
    assert judge(several, several, ("a", "b", "c"), None)["operating"] == ()
    assert len(judge(several, several, ("a", "b", "c"), "c")["operating"]) == 2
    assert json.loads(msgspec.json.encode(told)) == json.loads(json.dumps(msgspec.to_builtins(told)))


def test_rows_are_means_over_seeds_and_leave_out_seeds_without_a_threshold() -> None:
    seeds = [judge(answers(300, 1.0, seed=s), answers(300, 1.0, seed=s + 9), CLASSES, "pneumonia") for s in (0, 20)]
    one_class = Answers(np.array([[0.4, 0.6]]), np.array([1]))
    cells = [*(cell(seed, **told) for seed, told in enumerate(seeds)), cell(2, **judge(one_class, answers(300), CLASSES, None))]
    found = over_seeds(cells, "net frozen", "youden")
    assert found is not None
    for name, where in (("accuracy", "test"), ("argmax", "at_argmax")):
        expected = np.mean([told["operating"][0][where]["accuracy"]["value"] for told in seeds])
        assert found[name] == pytest.approx(expected)
    assert found["ece"] == pytest.approx(np.mean([told["calibration"]["test"]["ece"] for told in seeds]))
    assert over_seeds(cells, "another", "youden") is None
    assert over_seeds([cell(0)], "net frozen", "youden") is None


def outcome(cells: list[CellResult]) -> Outcome:
    nothing: dict[str, Any] = dict.fromkeys(("seconds", "gmacs", "params", "learning_params", "rank"))
    words = {"backbone": "net", "weights": "random", "freeze": "frozen", "recipe": {}, "split": "", "seeds": (0,)}
    row = Contender(id="net frozen", train={}, val={}, test={}, pareto=False, **words, **nothing)  # type: ignore[arg-type]
    shared: dict[str, Any] = {"dataset": {}, "recipe": {}, "environment": {}, "backbones": {}}
    return Outcome(run="", cells=cells, contenders=[row], comparisons=[], recommendation=None, findings=[], **shared)


def test_the_threshold_is_shown_apart_from_the_answers() -> None:
    told = outcome([cell(0, **judge(answers(300, 2.0), answers(300, 2.0, seed=9), CLASSES, "pneumonia"))])
    head, row = operating_rows(told)
    found = dict(zip(head, row, strict=True))
    assert float(found["accuracy at it"]) > float(found["at argmax"]) + 0.05
    assert found["contender"] == "net frozen"
    assert "pneumonia" in operating_note(told)
    assert operating_rows(outcome([cell(0)])) == []


def test_a_trained_cell_holds_calibration_operating_points_and_gaps(
    tiny: xzoo.Backbone, pack: Pack, cell_of: Callable[..., Any]
) -> None:
    prepared, planned = cell_of(tiny, pack, "finetune", epochs=6)
    *records, output = compute(prepared, planned, pack, choose("cpu", "fp32"), positive="bright")
    assert isinstance(output, Output)
    result, found = output.result, output.predictions
    chances_NK: NDArray[np.float64] = found["test_probabilities"]
    assert result.calibration["test"]["n"] == 8
    assert [one["rule"] for one in result.operating] == ["youden", "sensitivity 0.95"]
    assert {one["of"] for one in result.operating} == {"bright"}
    argmax = result.operating[0]["at_argmax"]["accuracy"]["value"]
    assert argmax == (chances_NK.argmax(1) == found["test_labels"]).mean()
    assert result.val is not None
    assert result.val.ece is not None
    assert result.calibration["val"]["ece"] == result.val.ece.value
    assert len(records) == 6
    assert result.fit["error"]["images"] is not None
    assert result.fit["rise"]["n"] == 8
    right = [(found[f"{name}_probabilities"].argmax(1) == found[f"{name}_labels"]).mean() for name in ("train", "val")]
    assert result.fit["accuracy_gap"]["value"] == pytest.approx(right[0] - right[1])
    assert msgspec.json.decode(msgspec.json.encode(result), type=CellResult).operating[0]["rule"] == "youden"
