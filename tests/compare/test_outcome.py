from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

import xzoo
from xzoo.compare import plan as plans
from xzoo.compare.outcome import Outcome, conclude
from xzoo.compare.plan import Plan, Variation
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import arrays, open_source
from xzoo.data.split import SplitRule, draw
from xzoo.evaluate.metrics import measure
from xzoo.runs.result import BackboneFacts, Cell, CellResult, EpochRecord, Finding, Seconds
from xzoo.runs.store import RunFolder
from xzoo.train.recipe import Recipe
from xzoo.zoo.spec import Choice, RandomStart

ACCURACY = {"best": 0.97, "cheap": 0.96, "poor": 0.75, "blind": 0.5}
GMACS = {"best": 4.0, "cheap": 1.0, "poor": 0.5, "blind": 0.1}
SEEDS = (0, 1, 2)

Wanted = Callable[[str, str], float]


def on_val_alone(name: str, split: str) -> float:
    """The accuracies that `ACCURACY` names, and on test the reverse of their order."""
    return ACCURACY[name] if split != "test" else 1.47 - ACCURACY[name]


@pytest.fixture(scope="module")
def pack(_cache_of_this_session: None) -> Pack:
    images_NHW = np.arange(900, dtype=np.uint16).view(np.uint8).reshape(-1, 2, 1)
    splits = ["train"] * 100 + ["val"] * 400 + ["test"] * 400
    return make_pack(open_source(arrays(images_NHW, np.arange(900) % 2, splits=splits, classes=["normal", "ill"])))


@pytest.fixture
def plan(pack: Pack) -> Plan:
    backbone = xzoo.Backbone(name="x", build=lambda: pytest.fail("built"), head=xzoo.ReplaceLinear("1"), stages={"body": "0"})
    choices = [Choice(dataclasses.replace(backbone, name=name), RandomStart(0), "python", name) for name in ACCURACY]
    varied = [Variation(recipe=Recipe(), split=SplitRule())]
    return plans.make(choices, pack, ["frozen"], SEEDS, varied, positive="ill", margin=0.1)


def finish(plan: Plan, folder: RunFolder, wanted: Wanted, salt: int = 0) -> None:
    """Write every cell of the plan as if it had been trained to the accuracies wanted."""
    for cell in plan.cells:
        found = predictions(plan.pack, cell, wanted, salt)
        figures: dict[str, Any] = {
            split: measure(found[f"{split}_probabilities"], found[f"{split}_labels"], plan.pack.classes, "ill", num_resamples=50)
            for split in ("train", "val", "test")
        }
        curve = EpochRecord(epoch=0, learning_rate=0.1, train_loss=0.2, train_accuracy=0.8)
        words = {name: getattr(cell, name) for name in ("id", "contender", "backbone", "weights", "freeze", "seed")}
        seconds = Seconds(train=GMACS[cell.backbone])
        result = CellResult(**words, status="done", learning_params=4, seconds=seconds, curves=(curve,), **figures)
        folder.write_cell(result, found)
    for name, gmacs in GMACS.items():
        folder.write_facts(f"{name}@random", BackboneFacts(params=9, params_with_auxiliary=9, gmacs=gmacs, size=(2, 1)))


def predictions(pack: Pack, cell: Cell, wanted: Wanted, salt: int) -> dict[str, NDArray[Any]]:
    split = draw(pack.labels_N, pack.splits_N, pack.groups_N, SplitRule(), cell.seed)
    found: dict[str, NDArray[Any]] = {}
    for place, name in enumerate(("train", "val", "test")):
        index_N = getattr(split, name)
        rng = np.random.default_rng([cell.seed, list(ACCURACY).index(cell.backbone), place, salt if name == "test" else 0])
        labels_N = pack.labels_N[index_N]
        right_N = rng.permutation(len(index_N)) < round(wanted(cell.backbone, name) * len(index_N))
        chances_NK = np.eye(2)[np.where(right_N, labels_N, 1 - labels_N)] * 0.8 + 0.1
        found |= {f"{name}_index": index_N, f"{name}_labels": labels_N, f"{name}_probabilities": chances_NK}
    return found


@pytest.fixture
def outcome(plan: Plan, tmp_path: Path) -> Outcome:
    folder = RunFolder(tmp_path / plan.hash)
    finish(plan, folder, on_val_alone)
    return conclude(plan, folder, {"kind": "cpu"})


def of_validation(outcome: Outcome) -> list[Finding]:
    """Return the findings but those that tell of test."""
    return [one for one in outcome.findings if one.id != "test-differs"]


def chosen(outcome: Outcome) -> list[object]:
    """Return everything that is ranked, chosen or warned of."""
    rows = [dataclasses.replace(row, test={}) for row in outcome.contenders]
    choice = outcome.recommendation
    return [rows, outcome.verdicts, choice and (choice.contender, choice.reason), of_validation(outcome)]


def test_contenders_are_ranked_and_the_cheapest_equal_of_the_best_is_recommended(outcome: Outcome) -> None:
    assert [(row.backbone, row.rank) for row in outcome.contenders] == [("best", 1), ("cheap", 1), ("poor", 3), ("blind", 4)]
    assert outcome.recommendation is not None
    assert outcome.recommendation.contender == "cheap@random frozen"
    assert outcome.recommendation.run == outcome.run
    assert [one.id for one in of_validation(outcome)] == ["chance"]
    assert "blind@random frozen" in of_validation(outcome)[0].text
    assert {one.id for one in outcome.findings} == {"chance", "test-differs"}


def test_the_test_split_is_reported_and_changes_nothing_that_is_ranked_or_chosen(plan: Plan, tmp_path: Path) -> None:
    wishes: Mapping[str, Wanted] = {
        "reversed": on_val_alone,
        "same": lambda name, split: ACCURACY[name],
        "the recommended fails": lambda name, split: ACCURACY[name] if split != "test" else float(name != "cheap"),
        "all perfect": lambda name, split: ACCURACY[name] if split != "test" else 1.0,
        "all wrong": lambda name, split: ACCURACY[name] if split != "test" else 0.0,
    }
    found = {}
    for salt, (name, wanted) in enumerate(wishes.items()):
        folder = RunFolder(tmp_path / name)
        finish(plan, folder, wanted, salt)
        found[name] = conclude(plan, folder, {})
    first = found.pop("reversed")
    for other in found.values():
        assert [row.test for row in other.contenders] != [row.test for row in first.contenders]
        assert [one for one in other.comparisons if one.split == "test"] != [
            one for one in first.comparisons if one.split == "test"
        ]
        assert chosen(other) == chosen(first)


def test_nothing_is_recommended_where_all_guess(plan: Plan, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    finish(plan, folder, lambda name, split: 0.5 if split != "test" else 0.99)
    found = conclude(plan, folder, {})
    assert found.recommendation is None
    assert [one.id for one in of_validation(found)] == ["chance"] * 4
    assert {row.rank for row in found.contenders} == {1}


def test_what_was_never_tried_is_left_out_and_what_failed_is_told(plan: Plan, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert conclude(plan, folder, {}).cells == []
    finish(plan, folder, on_val_alone)
    lost = next(cell for cell in plan.cells if cell.backbone == "poor")
    result = folder.cell(lost.id)
    assert result is not None
    other = RunFolder(tmp_path / "other")
    error = {"kind": "cell", "text": "the loss became nan", "remedy": "lower lr"}
    other.write_failure(dataclasses.replace(result, status="failed", error=error))
    found = conclude(plan, other, {})
    assert [cell.id for cell in found.failed] == [lost.id]
    assert (found.contenders, found.comparisons, found.recommendation) == ([], [], None)
    assert [one.id for one in found.findings] == ["failed"]


def test_the_dataset_is_described(outcome: Outcome) -> None:
    assert outcome.dataset["classes"] == ("normal", "ill")
    assert outcome.dataset["positive"] == "ill"
    assert outcome.dataset["splits"] == {"train": 100, "val": 400, "test": 400}
    assert outcome.dataset["drawn"] == []
    assert outcome.dataset["first_line"] == "train 100, val 400, test 400 (yours)"


def test_verdicts_are_those_on_validation(outcome: Outcome) -> None:
    assert {one.split for one in outcome.verdicts} == {"val"}
    assert {one.split for one in outcome.comparisons} == {"val", "test"}
    assert len(outcome.comparisons) == 2 * len(outcome.verdicts) == 12


def test_the_frame_has_a_row_per_contender(outcome: Outcome) -> None:
    pandas = pytest.importorskip("pandas")
    frame = outcome.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.index) == [row.id for row in outcome.contenders]
    assert frame.loc["best@random frozen", "val_accuracy"] == pytest.approx(ACCURACY["best"], abs=0.002)
    assert frame.loc["best@random frozen", "gmacs"] == GMACS["best"]


def test_an_outcome_survives_json(outcome: Outcome) -> None:
    data = msgspec.json.encode(outcome)
    assert msgspec.json.encode(msgspec.json.decode(data, type=Outcome)) == data
