"""What sections say, held against the run and against independent implementations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from xzoo.compare.outcome import Outcome
from xzoo.report.contents import Contents, contents
from xzoo.report.reading import Reading, read_folder
from xzoo.report.sections import confusion, discrimination, freezing, reliability, tradeoffs
from xzoo.report.sections.leaderboard import leaderboard
from xzoo.report.sections.origins import origins
from xzoo.runs.result import Finding
from xzoo.runs.store import RunFolder


@pytest.fixture(scope="module")
def reading(run: Path) -> Reading:
    return read_folder(RunFolder(run))


@pytest.fixture(scope="module")
def found(reading: Reading) -> Contents:
    return contents(reading)


@pytest.mark.parametrize("digits", [1, 8])
def test_curves_are_those_of_scikit_learn(digits: int) -> None:
    rng = np.random.default_rng(digits)
    labels_N = rng.random(400) < 0.3
    scores_N = np.round(rng.normal(size=400) + labels_N, digits)
    [roc], [pr] = discrimination.curves(scores_N, labels_N, np.ones((1, 400)))
    false_T, true_T, _ = roc_curve(labels_N, scores_N, drop_intermediate=False)
    steps = discrimination.places()
    assert np.allclose(roc[1:], np.interp(steps[1:], false_T, true_T))
    precision_T, recall_T, _ = precision_recall_curve(labels_N, scores_N)
    for step, value in zip(steps[1:], pr[1:], strict=True):
        reaching = np.flatnonzero(recall_T[:-1] >= step - 1e-12)
        assert value == pytest.approx(precision_T[reaching[-1]])
    assert np.trapezoid(roc, steps) == pytest.approx(roc_auc_score(labels_N, scores_N), abs=0.01)
    assert float(np.mean(pr)) == pytest.approx(average_precision_score(labels_N, scores_N), abs=0.02)


def test_a_weight_counts_as_that_many_images() -> None:
    rng = np.random.default_rng(0)
    labels_N, scores_N, counts_N = rng.random(50) < 0.5, rng.normal(size=50), rng.integers(0, 4, 50)
    weighted = discrimination.curves(scores_N, labels_N, counts_N[None])
    repeated = discrimination.curves(np.repeat(scores_N, counts_N), np.repeat(labels_N, counts_N), np.ones((1, counts_N.sum())))
    for one, other in zip(weighted, repeated, strict=True):
        assert np.allclose(one, other)


def test_bands_hold_their_line_and_are_wide_where_images_are_few(
    found: Contents, writer: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert found.discrimination is not None
    for row in found.discrimination.rows:
        for shape in (row.roc, row.pr):
            assert all(low <= mean <= high for low, mean, high in zip(shape.low, shape.mean, shape.high, strict=True))
    widths = []
    for images in (60, 600):
        writer(tmp_path / f"run{images}", names=["a"], freezes=["frozen"], seeds=[0], images=images)
        one = discrimination.discriminations(read_folder(RunFolder(tmp_path / f"run{images}")))
        assert one is not None
        widths.append(np.mean(np.subtract(one.rows[0].roc.high, one.rows[0].roc.low)))
    assert widths[1] < widths[0] / 2


def test_several_classes_are_each_held_against_the_rest(writer: Callable[..., Outcome], tmp_path: Path) -> None:
    writer(tmp_path / "run", names=["a"], freezes=["frozen"], seeds=[0], classes=["x", "y", "z"])
    one = discrimination.discriminations(read_folder(RunFolder(tmp_path / "run")))
    assert one is not None
    assert "each class against the rest" in one.of
    assert one.prevalence == pytest.approx(1 / 3)


def test_what_is_on_the_front_is_bettered_by_nothing(found: Contents) -> None:
    assert [one.cost for one in found.tradeoffs] == ["latency_ms", "seconds", "params"]
    for one in found.tradeoffs:
        for point in one.points:
            beaten = any(
                other.cost <= point.cost
                and other.accuracy >= point.accuracy
                and (other.cost, other.accuracy) != (point.cost, point.accuracy)
                for other in one.points
            )
            assert (point.number in {other.number for other in one.front}) <= (not beaten)
        costs = [point.cost for point in one.front]
        assert costs == sorted(costs)
    rows = leaderboard_rows = found.leaderboard.rows
    assert tradeoffs.tradeoffs(replace(found.leaderboard, rows=rows[:1])) == []
    assert len(leaderboard_rows) == 6


def test_frozen_stands_beside_fine_tuned_of_the_same_backbone(found: Contents, reading: Reading) -> None:
    assert found.freezing is not None
    accuracies = {row.id: row.val["accuracy"]["value"] for row in reading.outcome.contenders}
    assert len(found.freezing.slopes["val"]) == len(found.freezing.slopes["test"]) == 3
    for slope in found.freezing.slopes["val"]:
        frozen, tuned = (accuracies[f"{slope.name} {freeze}"] for freeze in ("frozen", "finetune"))
        assert slope.difference == pytest.approx(tuned - frozen)
        assert slope.low is not None
        assert slope.high is not None
        assert slope.low <= slope.difference <= slope.high
        assert slope.verdict
    alone = replace(reading.outcome, contenders=[row for row in reading.outcome.contenders if row.freeze == "frozen"])
    assert freezing.freezing(replace(reading, outcome=alone)) is None


def test_a_matrix_is_the_sum_over_seeds_and_many_classes_become_pairs(
    found: Contents, reading: Reading, writer: Callable[..., Outcome], tmp_path: Path
) -> None:
    first = found.confusion[0]
    assert np.sum(first.counts) == 3 * 60
    right = sum(first.counts[place][place] for place in range(2)) / 180
    assert right == pytest.approx(reading.outcome.contenders[0].test["accuracy"]["value"])
    writer(tmp_path / "run", names=["a"], freezes=["frozen"], seeds=[0], classes=[f"class {n}" for n in range(20)], images=200)
    [many] = confusion.confusions(read_folder(RunFolder(tmp_path / "run")))
    assert (many.counts, len(many.pairs)) == ([], 20)
    assert all(true != said for true, said, _, _ in many.pairs)
    counts = [count for _, _, count, _ in many.pairs]
    assert counts == sorted(counts, reverse=True)


def test_reliability_has_a_curve_for_each_seed(found: Contents) -> None:
    assert [len(one.curves) for one in found.reliability] == [3] * 6
    assert {one.of for one in found.reliability} == {"pneumonia"}
    for said, share, low, high in (bar for one in found.reliability for curve in one.curves for bar in curve):
        assert low is not None
        assert high is not None
        assert 0 <= said <= 1
        assert low <= share <= high


def test_verdicts_of_seeds_that_differ_say_of_how_many_seeds_they_are(reading: Reading) -> None:
    row = reading.outcome.contenders[0]
    verdicts = iter(["too high for ill", "no departure found", "no departure found"])
    cells = [
        replace(cell, calibration={"test": {**cell.calibration["test"], "verdict": next(verdicts)}})
        for cell in reading.outcome.cells
        if cell.contender == row.id
    ]
    [found] = reliability.reliabilities(replace(reading, outcome=replace(reading.outcome, contenders=[row], cells=cells)))
    assert found.verdicts == ["2 of 3 seeds: no departure found", "1 of 3 seeds: too high for ill"]


@pytest.mark.parametrize(
    ("rule", "drawn", "said"),
    [
        ("declared", [], "A"),
        ("declared", ["train", "val"], "A; each further seed draws validation anew"),
        ("declared (seed 3)", ["train", "val"], "A"),
        ("pool", ["train", "val", "test"], "A; each further seed draws validation and test anew"),
    ],
)
def test_the_table_says_where_images_came_from_and_not_the_name_of_the_rule(
    reading: Reading, rule: str, drawn: list[str], said: str
) -> None:
    outcome = reading.outcome
    rows = [replace(one, split=rule) for one in outcome.contenders]
    told = replace(outcome, contenders=rows, dataset={**outcome.dataset, "drawn": drawn, "first_line": "A"})
    assert leaderboard(replace(reading, outcome=told)).images == said


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        (18, "Test was looked at once for each trained network, after training: 18 trained networks."),
        (72, "Test was looked at 72 times for 18 trained networks: after every epoch too, as was asked."),
        (None, "Test was looked at an unknown number of times, by 18 trained networks."),
    ],
)
def test_looks_at_test_are_told_beside_the_number_of_networks(reading: Reading, looks: int | None, said: str) -> None:
    known = replace(reading.outcome, dataset={**reading.outcome.dataset, "test_looks": looks})
    assert origins(replace(reading, outcome=known)).looks == said


def test_curves_are_means_with_the_seeds_as_a_band(found: Contents) -> None:
    for curve in found.curves:
        line = curve.lines["train_loss"]
        assert line.mean[0] == pytest.approx(0.71)
        assert (line.low[0], line.high[0]) == (0.7, 0.72)
        assert [epoch for epoch, _ in curve.kept] == [6, 6, 6]


def test_a_seed_that_stopped_early_leaves_the_later_epochs_to_the_others(reading: Reading) -> None:
    first, *rest = reading.outcome.cells
    short = replace(first, curves=first.curves[:2], best_epoch=1)
    found = contents(replace(reading, outcome=replace(reading.outcome, cells=[short, *rest])))
    [curve] = [one for one in found.curves if one.id == first.contender]
    assert curve.epochs == 6
    assert curve.lines["train_loss"].low[5] == pytest.approx(0.7 / 6 + 0.01, abs=1e-5)


def test_the_numbers_of_pictures_are_those_of_the_leaderboard(found: Contents, reading: Reading) -> None:
    names = {row.number: row.id for row in leaderboard(reading).rows}
    assert found.discrimination is not None
    shown: list[Any] = [*found.curves, *found.discrimination.rows, *found.reliability, *found.confusion, *found.proofs.rows]
    assert len(shown) == 30
    assert all(names[one.number] == one.id for one in shown)


def test_findings_of_one_kind_stand_together() -> None:
    from xzoo.report.words import groups

    found = [Finding("a", "warning", "1"), Finding("b", "info", "2"), Finding("a", "warning", "3"), Finding("a", "error", "4")]
    assert [[one.text for one in group] for group in groups(found)] == [["1", "3"], ["2"], ["4"]]
