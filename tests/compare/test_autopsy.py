"""A whole run explained: planted causes on small images, and what a user may get wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import xzoo
from xzoo.compare.explanation import Explanation
from xzoo.data.source import Arrays
from xzoo.errors import StorageError, UsageError
from xzoo.report.autopsies import explanation_text
from xzoo.runs.store import OUTCOME, RunFolder

SIDE = 16
SIZES = {"train": 160, "val": 120, "test": 120}
RECIPE: dict[str, Any] = {"epochs": 8, "batch_size": 16, "precision": "fp32", "lr": 0.05}


def images(*, darker: int = 0, leaked: int = 0, seed: int = 0) -> Arrays:
    """Return noisy images whose brightness is their class; test images are `darker`, and some are train images again."""
    random = np.random.default_rng(seed)
    splits = [name for name, size in SIZES.items() for _ in range(size)]
    labels_N = np.arange(len(splits)) % 2
    is_test_N = np.array(splits) == "test"
    bright_N = random.normal(100 + 40 * labels_N - darker * is_test_N, 8)
    pixels_NHW = np.clip(random.normal(bright_N[:, None, None], 20, (len(splits), SIDE, SIDE)), 0, 255).astype(np.uint8)
    pixels_NHW[-leaked or len(splits) :] = pixels_NHW[:leaked]
    return xzoo.arrays(pixels_NHW, labels_N, splits=splits, classes=["well", "ill"])


@pytest.fixture
def explained(tiny: xzoo.Backbone, tmp_path: Path) -> Callable[..., Explanation]:
    def run(data: Arrays, **asked: Any) -> Explanation:
        found = xzoo.compare(
            [tiny], data, freeze=["frozen"], seeds=2, recipe=RECIPE, latency=False, positive="ill", runs=tmp_path / "runs"
        )
        return xzoo.explain(found.run, **{"data": data, "backbone": tiny, "redraws": 0, **asked})

    return run


def test_a_sound_dataset_has_no_cause(explained: Callable[..., Explanation]) -> None:
    (found,) = explained(images()).contenders
    assert found.named == ()
    assert found.seeds == (0, 1)
    assert found.features.startswith("tiny@random")
    assert found.pooled_reason == "not asked for"


def test_darker_test_images_are_found_and_pooling_mends_what_they_cost(explained: Callable[..., Explanation]) -> None:
    answer = explained(images(darker=25), redraws=3)
    (found,) = answer.contenders
    assert found.named[:2] == ("appearance-shift", "moved-threshold")
    assert found.drop.threshold.value > 0.1
    assert found.pooled is not None
    assert found.pooled.redraws == 3
    assert found.pooled.test > found.drop.test + 0.1
    assert found.pooled.recovered is not None
    assert found.pooled.recovered > 0.5
    text = explanation_text(answer)
    assert "a moved threshold" in text
    assert "of the drop is gone" in text
    assert json.loads(msgspec.json.encode(answer))["contenders"][0]["named"] == list(found.named)


def test_copies_of_train_images_in_test_are_found(explained: Callable[..., Explanation]) -> None:
    (found,) = explained(images(leaked=12)).contenders
    assert found.named == ("leakage",)
    assert "12 of 120 test images" in found.causes[0].text


def test_a_pooled_counterfactual_is_computed_once_and_is_no_run_of_its_own(
    explained: Callable[..., Explanation], tmp_path: Path
) -> None:
    first = explained(images(), redraws=2)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    again = explained(images(), redraws=2)
    assert again.contenders[0].pooled == first.contenders[0].pooled
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == kept
    assert [path.parent.name for path in (tmp_path / "runs").glob("*/plan.json")] == [Path(first.run).name]


def test_other_data_than_the_runs_is_refused(explained: Callable[..., Explanation]) -> None:
    run = explained(images()).run
    with pytest.raises(UsageError, match="is not the data of"):
        xzoo.explain(run, data=images(seed=1))


def test_what_cannot_be_explained_says_why(explained: Callable[..., Explanation], tiny: xzoo.Backbone, tmp_path: Path) -> None:
    run = explained(images()).run
    with pytest.raises(UsageError, match="cannot find its data again"):
        xzoo.explain(run, backbone=tiny)
    with pytest.raises(UsageError, match="has no contender 'other'"):
        xzoo.explain(run, data=images(), contenders=["other"])
    with pytest.raises(UsageError, match="there is no run 'none'"):
        xzoo.explain("none", runs=tmp_path / "runs")
    folder = RunFolder(Path(run))
    for cell in folder.plan()["cells"]:
        folder.drop_cell(cell["id"])
    with pytest.raises(UsageError, match="no cell of tiny"):
        xzoo.explain(run, data=images(), backbone=tiny)


def test_predictions_that_are_gone_are_named(explained: Callable[..., Explanation], tiny: xzoo.Backbone) -> None:
    folder = RunFolder(Path(explained(images()).run))
    for place in folder.path.glob("cells/*/predictions.npz"):
        place.unlink()
    with pytest.raises(StorageError, match=r"cannot read .*tiny.*predictions\.npz"):
        xzoo.explain(str(folder.path), data=images(), backbone=tiny)


def test_no_recommendation_is_nothing_to_explain() -> None:
    with pytest.raises(UsageError, match="no recommendation to explain"):
        xzoo.explain(None)


def test_of_an_interrupted_run_what_is_finished_is_explained_by_its_own_network(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    data, other = images(), replace(tiny, name="other")
    recipe, frozen = {**RECIPE, "epochs": 1}, ["frozen"]
    run = Path(xzoo.compare([tiny, other], data, freeze=frozen, seeds=1, recipe=recipe, latency=False, runs=tmp_path).run)
    (run / OUTCOME).unlink()
    with pytest.raises(UsageError, match="other@random was made in Python"):
        xzoo.explain(run, data=data, backbone=tiny, redraws=0)
    RunFolder(run).drop_cell(next(cell["id"] for cell in RunFolder(run).plan()["cells"] if cell["backbone"] == "other"))
    (found,) = xzoo.explain(run, data=data, backbone=tiny, redraws=0).contenders
    assert found.backbone == "tiny@random"
    with pytest.raises(UsageError, match="no cell of other"):
        xzoo.explain(run, data=data, backbone=tiny, contenders=["other@random frozen"])


def test_what_is_trained_whole_is_pooled_when_asked(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    data, runs = images(), tmp_path / "runs"
    found = xzoo.compare([tiny], data, freeze=["finetune"], seeds=1, recipe={**RECIPE, "epochs": 1}, latency=False, runs=runs)
    asked: dict[str, Any] = {"data": data, "backbone": tiny, "redraws": 1}
    (left,) = xzoo.explain(found.run, **asked).contenders
    assert left.pooled is None
    assert "--retrain" in left.pooled_reason
    (pooled,) = xzoo.explain(found.run, retrain=True, **asked).contenders
    assert pooled.pooled is not None
    assert pooled.pooled.redraws == 1


def test_a_comparison_tells_where_test_differs_and_asks_for_the_cause(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"freeze": ["frozen"], "seeds": 2, "recipe": RECIPE, "latency": False, "runs": tmp_path}
    differs = [one for one in xzoo.compare([tiny], images(darker=25), **asked).findings if one.id == "test-differs"]
    assert len(differs) == 1
    assert "a moved threshold" in differs[0].text
    assert 'xzoo explain last --contender "tiny@random frozen"' in differs[0].remedy
    assert not [one for one in xzoo.compare([tiny], images(), **asked).findings if one.id == "test-differs"]


def test_data_that_is_gone_is_told_with_the_way_out(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    from PIL import Image

    random = np.random.default_rng(0)
    for split, size in (("train", 8), ("val", 4), ("test", 4)):
        for label, name in enumerate(("well", "ill")):
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for place in range(size):
                pixels_HW = random.integers(40 * label, 200, (SIDE, SIDE)).astype(np.uint8)
                Image.fromarray(pixels_HW).save(tmp_path / "data" / split / name / f"{place}.png")
    found = xzoo.compare(
        [tiny], tmp_path / "data", freeze=["frozen"], seeds=1, recipe=RECIPE, latency=False, runs=tmp_path / "runs"
    )
    assert xzoo.explain(found.run, backbone=tiny, redraws=0).contenders[0].seeds == (0,)
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match=r"is not in .* any more") as error:
        xzoo.explain(found.run, backbone=tiny)
    assert "--data" in error.value.remedy
    assert xzoo.explain(found.run, backbone=tiny, data=tmp_path / "moved", redraws=0).run == found.run
