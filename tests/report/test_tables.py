from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from xzoo.compare.outcome import Outcome
from xzoo.report import tables
from xzoo.runs.result import BackboneFacts, Comparison, Contender, Finding, Latency, Measure, Recommendation


def figure(value: float, low: float | None = None, high: float | None = None, spread: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "n": 50, "spread": spread, "seeds": 2 if spread is not None else 1}


def row(name: str, rank: int, **changed: Any) -> Contender:
    half = {"majority": figure(0.5), "accuracy": figure(0.9)}
    values: dict[str, Any] = {
        "backbone": name,
        "weights": "random",
        "freeze": "frozen",
        "recipe": {},
        "split": "declared",
        "seeds": (0, 1),
        "train": {**half, "accuracy": figure(0.9999, 0.9, 1.0, 0.01)},
        "val": {**half, "accuracy": figure(0.9123, 0.8512, 0.951, 0.0118)},
        "test": {**half, "accuracy": figure(0.75)},
        "seconds": 12.34,
        "gmacs": 0.714,
        "params": 61_100_840,
        "learning_params": 8194,
        "pareto": rank == 1,
    }
    return Contender(id=name, rank=rank, **{**values, **changed})


def latency(batch: int, **changed: Any) -> Latency:
    values: dict[str, Any] = {"engine": "eager", "precision": "bf16", "p50_ms": 5.621, "p90_ms": 6.0, "p99_ms": None}
    return Latency(batch=batch, images_per_second=832.4, n=30, **{**values, **changed})


FACTS = BackboneFacts(
    params=61_100_840, params_with_auxiliary=61_100_840, gmacs=0.714, size=(8, 8), latency=(latency(1), latency(16))
)
OUTCOME = Outcome(
    run="runs/x",
    dataset={"name": "photos", "first_line": "train 30, val 10, test 10 (yours)"},
    recipe={},
    environment={},
    backbones={"alexnet@random": FACTS},
    cells=[],
    contenders=[
        row("alexnet@random frozen", 1),
        row("a@V1 finetune", 2, seeds=(0,), seconds=1234.5, gmacs=None, learning_params=None),
    ],
    comparisons=[],
    recommendation=Recommendation("alexnet@random frozen", "validation accuracy 0.912, the best of 2"),
    findings=[],
)


def compared(difference: float, told: str = "ahead", split: str = "val", p: float | None = 0.0123) -> Comparison:
    measure = Measure(difference, None, None, 50)
    return Comparison(a="a", b="b", split=split, metric="accuracy", difference=measure, test="", p=p, p_holm=p, verdict=told)


def test_a_share_shows_its_interval_and_spread() -> None:
    assert tables.share(figure(0.9123, 0.8512, 0.951, 0.0118)) == "0.912 (0.85-0.95) ±0.012"
    assert tables.share(figure(0.9123, 0.8512, 0.951)) == "0.912 (0.85-0.95)"
    assert tables.share(figure(0.9123, spread=0.0)) == "0.912 ±0.000"
    assert tables.share(figure(1.0, 0.9, 1.0, 0.1), with_interval=False) == "1.000"
    assert tables.share(None) == "-"


def test_every_line_of_a_table_is_as_wide_as_its_columns() -> None:
    text = tables.table([["n", "name", "figure"], ["1", "a long name", "0.5"], ["100", "b", "12.25"]])
    assert text.splitlines() == [
        "  n  name         figure",
        "------------------------",
        "  1  a long name     0.5",
        "100  b             12.25",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    assert tables.table([["a", "b"]]).splitlines() == ["a  b", "----"]


def test_contenders_have_their_figures_under_their_heads() -> None:
    lines = tables.table(tables.contender_rows(OUTCOME)).splitlines()
    head, rule, first, second, majority = lines
    assert set(rule) == {"-"}
    assert max(map(len, lines)) == len(rule)
    # Contenders stand left, everything else right, so that a head ends where its figures do.
    for name, in_first, in_second in (
        ("rank", "1", "2"),
        ("train", "1.000", "1.000"),
        ("validation", "0.912 (0.85-0.95) ±0.012", "0.912 (0.85-0.95) ±0.012"),
        ("test", "0.750", "0.750"),
        ("seeds", "2", "1"),
        ("learns", "8,194", "-"),
        ("GMACs", "0.71", "-"),
        ("train s", "12.3", "1234.5"),
    ):
        end = (head.rindex(name) if name != "train" else head.index(name)) + len(name)
        assert first[:end].endswith(in_first), name
        assert second[:end].endswith(in_second), name
    assert first.endswith("*")
    assert not second.endswith("*")
    assert head.index("contender") == first.index("alexnet@random frozen") == second.index("a@V1 finetune")
    assert majority.index("majority class") == head.index("contender")


def test_the_majority_class_is_the_last_row_and_there_is_none_without_contenders() -> None:
    rows = tables.contender_rows(OUTCOME)
    assert rows[-1][1:5] == ["majority class", "0.500", "0.500", "0.500"]
    assert {len(one) for one in rows} == {10}
    assert len(tables.contender_rows(dataclasses.replace(OUTCOME, contenders=[]))) == 1


def test_what_is_not_known_is_a_dash() -> None:
    bare = row("bare", 1, train={}, val={"accuracy": None}, test={}, seconds=None, gmacs=None, learning_params=None)
    rows = tables.contender_rows(dataclasses.replace(OUTCOME, contenders=[bare]))
    assert rows[1] == ["1", "bare", "-", "-", "-", "2", "-", "-", "-", "*"]
    assert rows[2][2:5] == ["-", "-", "-"]


def test_latency_has_its_tail_only_where_it_is_known() -> None:
    lines = tables.latency_lines(OUTCOME).splitlines()
    assert lines[1] == "-" * len(lines[0])
    assert lines[0].startswith("backbone ")
    assert lines[2].startswith("alexnet@random ")
    assert lines[2].split() == ["alexnet@random", "61,100,840", "5.62", "6.00", "-", "30", "832"]
    assert lines[2].endswith("832")
    assert len(lines[0]) == len(lines[2])


def test_a_backbone_without_latency_has_no_line() -> None:
    bare = dataclasses.replace(OUTCOME, backbones={"x": dataclasses.replace(FACTS, latency=())})
    assert tables.latency_lines(bare) == ""


def test_comparisons_name_the_better_first() -> None:
    text = tables.comparison_lines([compared(-0.1), compared(0.1, split="test"), compared(0.02, "cannot tell", p=None)])
    assert text.splitlines() == [
        "validation: b is ahead of a (difference +0.100, p 0.0123)",
        "validation: a cannot be told from b (difference +0.020)",
        "test: a is ahead of b (difference +0.100, p 0.0123)",
    ]


def test_of_many_comparisons_the_rest_is_counted() -> None:
    lines = tables.comparison_lines([compared(0.1)] * 45).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "validation: 25 more pairs of which one is ahead, in the JSON output"


def test_many_pairs_that_cannot_be_told_apart_are_one_line() -> None:
    text = tables.comparison_lines([compared(0.1), *[compared(0.02, "cannot tell")] * 5])
    assert text.splitlines() == [
        "validation: a is ahead of b (difference +0.100, p 0.0123)",
        "validation: 5 of 6 pairs cannot be told apart",
    ]


def test_findings_say_what_to_do_on_lines_that_fit() -> None:
    text = tables.finding_lines([Finding("chance", "warning", "a " * 80, "train longer"), Finding("bit-depth", "info", "scaled")])
    assert text.startswith("warning [chance] a a")
    assert "Train longer." in text
    assert text.splitlines()[-1] == "info [bit-depth] scaled"
    assert max(map(len, text.splitlines())) <= tables.WIDTH


def test_the_recommendation_is_named_or_its_absence() -> None:
    assert tables.recommendation_line(OUTCOME) == "Use alexnet@random frozen: validation accuracy 0.912, the best of 2."
    assert "No recommendation" in tables.recommendation_line(dataclasses.replace(OUTCOME, recommendation=None))


def test_the_whole_answer_holds_every_part_in_order() -> None:
    text = tables.outcome_text(
        dataclasses.replace(OUTCOME, comparisons=[compared(0.1)], findings=[Finding("chance", "warning", "x", "y")])
    )
    parts = [
        "photos: train 30",
        "majority class",
        "Ranked on validation",
        "61,100,840",
        "a is ahead of b",
        "[chance]",
        "Use alexnet",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "\n\n\n" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize("names", [["a", "much longer name of a contender"], ["x"]])
def test_columns_follow_the_longest_cell(names: list[str]) -> None:
    rows = [["rank", "contender", "n"], *[["1", name, "7"] for name in names]]
    lines = tables.table(rows).splitlines()
    assert {len(line) for line in lines} == {len(lines[1])}
