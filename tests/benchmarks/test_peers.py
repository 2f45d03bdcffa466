"""The peers' ratios on turns whose truth is known, and that both sides start alike."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from scipy import stats

from peers import ceiling, gpu, ratios, stage
from peers.run import rows
from peers.sides import Took
from xzoo.train.device import Device


def took(*seconds: float, accuracy: float | None = None) -> list[Took]:
    return [Took(one, accuracy) for one in seconds]


def test_a_gain_is_the_geometric_mean_of_paired_turns() -> None:
    text = ratios.table({"notebook": took(100, 200), "xzoo": took(10, 10)}, "notebook", lambda one: one.seconds, "s")
    assert "14.14" in text.splitlines()[2]
    assert "1.00 (1.00-1.00)" in text.splitlines()[1]


def test_more_images_a_second_are_a_gain() -> None:
    turns = {"notebook": [Took(1, None, 16.0)] * 2, "xzoo": [Took(1, None, 64.0)] * 2}
    assert "4.00 (4.00-4.00)" in ratios.table(
        turns, "notebook", lambda one: one.images_per_second, "images/s", more_is_better=True
    )


def test_sides_that_were_run_another_number_of_times_are_compared_by_medians() -> None:
    turns = {"notebook": took(100), "xzoo": took(1, 2, 3)}
    assert "50.00 (medians)" in ratios.table(turns, "notebook", lambda one: one.seconds, "s")


def test_a_gain_is_the_product_of_its_parts() -> None:
    turns = {"notebook": took(480), "xzoo-fp32": took(48), "xzoo-cold": took(12)}
    said = ratios.decomposed(turns, "notebook", "xzoo-fp32", "xzoo-cold")
    assert said.startswith("40.0 times in all = 10.0 (not repeating work, xzoo-fp32) x 4.00 ")


def test_non_inferiority_is_a_one_sided_paired_t() -> None:
    ours, theirs = [0.96, 0.95, 0.97, 0.96, 0.94], [0.95, 0.96, 0.96, 0.95, 0.95]
    turns = {"notebook": [Took(1, one) for one in theirs], "xzoo": [Took(1, one) for one in ours]}
    low = stats.ttest_rel(ours, theirs, alternative="greater").confidence_interval(0.95).low
    [said] = ratios.not_inferior(turns, "notebook")
    assert f"at least {low:+.3f}, n 5: not inferior" in said
    [said] = ratios.not_inferior(turns, "notebook", margin=-low / 2)
    assert "not shown" in said


def test_both_sides_get_the_same_images_and_no_image_is_in_two_splits(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "source" / "train" / name).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "source" / "train" / name / f"{number}.jpg").write_text(f"{name}{number}")
    found = stage.images(tmp_path / "source", (16, 8), tmp_path / "out")
    again = stage.images(tmp_path / "source", (16, 8), tmp_path / "again")
    files = {split: sorted(path.read_text() for path in (found / split).rglob("*.jpg")) for split in ("train", "val", "test")}
    assert {split: len(members) for split, members in files.items()} == {"train": 16, "val": 8, "test": 2}
    assert len({one for members in files.values() for one in members}) == 26
    assert files["train"] == sorted(path.read_text() for path in (again / "train").rglob("*.jpg"))


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    with pytest.raises(SystemExit, match="holds 0 images, and 9 are needed"):
        stage.images(tmp_path, (4, 4), tmp_path / "out")


def test_rows_of_latency_are_found_wherever_they_stand() -> None:
    row = {"engine": "eager", "batch": 1, "p50_ms": {"value": 2.0}}
    assert rows({"backbones": {"x": {"latency": [row, {"engine": "eager"}]}}, "other": [1, "a"]}) == [row]


def test_turns_go_back_and_forth_and_a_gain_is_of_the_turns_that_both_sides_took_part_in() -> None:
    order: list[str] = []
    seconds = {"xzoo": iter([9, 9, 1, 2, 4]), "ceiling": iter([9, 9, 1, 1, 1]), "notebook": iter([9, 10, 80])}

    def side(name: str) -> float:
        order.append(name)
        return next(seconds[name])

    found = gpu.in_turns({name: partial(side, name) for name in seconds}, {"xzoo": 3, "ceiling": 3, "notebook": 2})
    assert found == {"xzoo": [1, 2, 4], "ceiling": [1, 1, 1], "notebook": [10, 80]}
    assert order[5:] == ["xzoo", "ceiling", "notebook", "notebook", "ceiling", "xzoo", "xzoo", "ceiling"]
    to_ceiling, to_notebook = gpu.gains("train", "alexnet", found, 100)
    assert [row.gain for row in (to_ceiling, to_notebook)] == pytest.approx([0.5, 20])
    assert [row.n for row in (to_ceiling, to_notebook)] == [3, 2]
    assert to_ceiling.low < 0.5 < to_ceiling.high
    assert to_notebook.other_per_second == pytest.approx(100 / 45)
    assert ("not reached" in str(to_ceiling), "not reached" in str(to_notebook)) == (True, False)


def test_the_ceiling_works_through_as_many_images_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    clock = iter([0.0, 6.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    side = ceiling.timed(lambda: steps.append(1), 32, Device("cpu", "fp32", 1), 80)
    assert side() == pytest.approx(6.0 * 80 / 96)
    assert len(steps) == 3


def test_the_ceiling_folds_batch_norms_and_infers_what_the_network_infers() -> None:
    network = ceiling.made("resnet18").train()
    images_BCHW = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network(images_BCHW)
    with torch.no_grad():
        expected = network.eval()(images_BCHW)
        folded = ceiling.fused(network)
        assert torch.allclose(folded(images_BCHW), expected, atol=1e-4)
    assert not any("bn" in str(node.target) for node in folded.graph.nodes)  # type: ignore[union-attr]


def test_the_three_sides_train_and_infer_on_a_cpu(tmp_path: Path, own_cache: Path) -> None:
    words = ["--device", "cpu", "--images", "6", "--size", "32", "--batch", "3", "--turns", "1", "--notebook-turns", "1"]
    assert gpu.main([*words, "--backbones", "resnet18", "--parts", "train,infer", "--json", str(tmp_path / "told.json")]) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert [(row["work"], row["ours"], row["other"]) for row in told["rows"]] == [
        ("train", "xzoo", "ceiling"),
        ("train", "xzoo", "notebook"),
        ("infer", "xzoo eager", "ceiling"),
        ("infer", "xzoo eager", "notebook"),
    ]
    assert told["machine"]["versions"]["torch"]
