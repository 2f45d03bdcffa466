"""What changed between two runs, in what they were made of and in what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xzoo
from xzoo.compare.difference import Difference, compare_runs
from xzoo.report.listing import difference_text
from xzoo.runs.store import RunFolder

DATA = "phantom:train=24,val=8,test=10,size=32"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def compared(backbone: xzoo.Backbone, runs: Path, **more: Any) -> RunFolder:
    settings = {"data": DATA, "freeze": ["frozen"], "seeds": 2, "recipe": {"epochs": 2, "precision": "fp32"}, **more}
    return RunFolder(Path(xzoo.compare([backbone], runs=runs, **settings).run))


@pytest.fixture(scope="module")
def first(tiny: xzoo.Backbone, folder: Path) -> RunFolder:
    return compared(tiny, folder)


@pytest.fixture(scope="module")
def hotter(tiny: xzoo.Backbone, folder: Path) -> RunFolder:
    """The same with another learning rate, and with a strategy more."""
    recipe = {"epochs": 2, "precision": "fp32", "lr": 0.1}
    return compared(tiny, folder, recipe=recipe, freeze=["frozen", "finetune"])


def changes(difference: Difference) -> dict[tuple[str, str], tuple[Any, Any]]:
    return {(one.area, one.name): (one.a, one.b) for one in difference.changes}


def test_a_run_does_not_differ_from_itself(first: RunFolder) -> None:
    difference = compare_runs(first, first)
    assert difference.changes == []
    [row] = difference.contenders
    assert row.seeds == (0, 1)
    assert row.test is not None
    assert (row.test.difference.value, row.test.images, row.test.changed) == (0, 20, 0)
    assert "nothing that the runs were made of differs" in difference_text(difference)


def test_only_what_was_changed_is_told(first: RunFolder, hotter: RunFolder) -> None:
    found = changes(compare_runs(first, hotter))
    assert found == {("recipe", "lr"): (0.001, 0.1), ("strategies", "all"): (["frozen"], ["finetune", "frozen"])}


def test_changed_answers_are_counted_image_by_image(first: RunFolder, hotter: RunFolder) -> None:
    [row] = compare_runs(first, hotter).contenders
    assert row.id == "tiny@random frozen"
    assert row.test is not None
    changed = gained = lost = 0
    shares = []
    for seed in (0, 1):
        one, other = (answers(run, seed) for run in (first, hotter))
        truth = one["test_labels"]
        a, b = (found["test_probabilities"].argmax(1) for found in (one, other))
        for named_a, named_b, true in zip(a, b, truth, strict=True):
            changed += int(named_a != named_b)
            gained += int(named_a != true and named_b == true)
            lost += int(named_a == true and named_b != true)
        shares.append((np.mean(a == truth), np.mean(b == truth)))
    assert (row.test.changed, row.test.gained, row.test.lost) == (changed, gained, lost)
    assert changed > 0
    assert (row.test.a, row.test.b) == pytest.approx(tuple(np.mean(shares, axis=0)))
    assert row.test.difference.value == pytest.approx(row.test.b - row.test.a)


def answers(run: RunFolder, seed: int) -> dict[str, Any]:
    [cell] = [cell for cell in run.plan()["cells"] if cell["seed"] == seed and cell["freeze"] == "frozen"]
    return run.predictions(cell["id"])


def test_other_data_leave_the_means_and_no_count(tiny: xzoo.Backbone, first: RunFolder, folder: Path) -> None:
    other = compared(tiny, folder, data=f"{DATA},seed=1", seeds=[1])
    difference = compare_runs(first, other)
    found = changes(difference)
    assert {("data", "pack"), ("seeds", "all")} <= found.keys()
    assert found["seeds", "all"] == ([0, 1], [1])
    [row] = difference.contenders
    assert row.seeds == (1,)
    assert row.test is not None
    assert (row.test.images, row.test.difference.low, row.test.reason) == (None, None, "they saw different data")
    assert "they saw different data" in difference_text(difference)


def test_other_starting_weights_are_told(tiny: xzoo.Backbone, first: RunFolder, folder: Path) -> None:
    from dataclasses import replace

    from xzoo.zoo.spec import Choice, RandomStart

    other = Choice(replace(tiny), RandomStart(1), origin="python", name="tiny")
    outcome = xzoo.compare([other], DATA, freeze=["frozen"], seeds=1, recipe={"epochs": 1}, runs=folder)  # type: ignore[list-item]
    found = changes(compare_runs(first, RunFolder(Path(outcome.run))))
    assert found["backbones", "tiny@random"] == ("compared", None)
    assert found["backbones", "tiny@random:1"] == (None, "compared")


def test_a_split_that_shares_some_images_is_counted_on_those(tiny: xzoo.Backbone, first: RunFolder, folder: Path) -> None:
    pooled = compared(tiny, folder, split="pool")
    difference = compare_runs(first, pooled)
    assert changes(difference)["split", "rule"] == ("declared", "pool")
    [row] = difference.contenders
    indices = [[set(answers(run, seed)["test_index"]) for run in (first, pooled)] for seed in (0, 1)]
    assert row.test is not None
    assert row.test.images == sum(len(one & other) for one, other in indices)
