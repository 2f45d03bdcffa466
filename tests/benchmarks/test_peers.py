"""The peers' ratios on turns whose truth is known, and that both sides start alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from scipy import stats

from peers import ratios, stage
from peers.run import rows
from peers.sides import Took


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
    row = {"engine": "eager", "batch": 1, "p50_ms": 2.0}
    assert rows({"backbones": {"x": {"latency": [row, {"engine": "eager"}]}}, "other": [1, "a"]}) == [row]
