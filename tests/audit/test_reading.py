"""A whole audit: what was planted is found, and where nothing was planted nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

import xzoo
from xzoo.audit.outcome import Audit
from xzoo.data.phantom import Dials, draw
from xzoo.errors import DataError, UsageError, WeightsError


@pytest.fixture(autouse=True)
def _no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no weights lie here, whatever the user has."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def ids(found: Audit) -> set[str]:
    return {one.id for one in found.findings}


def test_a_clean_dataset_has_nothing_against_it() -> None:
    found = xzoo.audit("phantom:train=80,val=80,test=80,size=64")
    assert ids(found) == {"power", "features"}
    assert found.dataset["first_line"] == "train 80, val 80, test 80 (yours)"
    assert found.dataset["splits"] == {"train": 80, "val": 80, "test": 80}
    assert (found.num_copies, list(found.leaks), list(found.conflicts)) == (0, [], [])
    assert found.features["name"] == "traits"
    assert [(row.first, row.second) for row in found.shifts] == [("train", "val"), ("train", "test"), ("val", "test")]
    assert [one.split for one in found.controls] == ["train", "val", "test"]
    assert all(0.4 < one.auroc.value < 0.6 for one in found.controls)


def test_another_machine_for_the_test_images_is_found_and_described() -> None:
    found = xzoo.audit("phantom:train=80,val=80,test=80,size=64,shift=0.3")
    assert "shift" in ids(found)
    [row] = [row for row in found.shifts if (row.first, row.second) == ("val", "test")]
    assert row.appearance_p_holm < 0.01
    assert row.labels_p_holm > 0.5
    assert {"noise", "contrast"} & {trait.name for trait in row.traits}
    assert {one.split for one in row.giveaways} == {"val", "test"}
    [clean] = [row for row in found.shifts if (row.first, row.second) == ("train", "val")]
    assert clean.appearance_p_holm > 0.05


def test_leaked_test_images_are_counted() -> None:
    found = xzoo.audit("phantom:train=80,val=20,test=80,size=128,leakage=0.1")
    [leak] = found.leaks
    assert (leak.what, leak.within, leak.of, leak.count) == ("copies", "train", "test", 8)
    assert leak.share.value == 0.1
    assert "leaked-copies" in ids(found)


def test_damage_conflicts_and_patients_in_a_folder_are_found(tmp_path: Path) -> None:
    images_NHW, labels_N, _, _ = draw(Dials(train=40, val=0, test=20, size=64))
    for place, image_HW in enumerate(images_NHW):
        split = "train" if place < 40 else "test"
        file = tmp_path / split / ("normal", "ill")[labels_N[place]] / f"person{place % 50}_{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_HW).save(file)
    [first, *_] = sorted((tmp_path / "train" / "normal").iterdir())
    Image.open(first).save(tmp_path / "train" / "ill" / "person0_again.png", optimize=True)
    (tmp_path / "test" / "ill" / "person70_broken.png").write_bytes(b"\x89PNG\r\n")
    found = xzoo.audit(tmp_path, group=r"(person\d+)")
    assert [one.id for one in found.unreadable] == ["test/ill/person70_broken.png"]
    assert [sorted(same) for same in found.conflicts] == [
        sorted([first.relative_to(tmp_path).as_posix(), "train/ill/person0_again.png"])
    ]
    # Validation is drawn from train, patients whole, so each of the ten is in one of the two.
    patients = [leak for leak in found.leaks if leak.what == "patients"]
    assert {leak.of for leak in patients} == {"test"}
    assert sum(leak.count for leak in patients) == 10
    assert ids(found) >= {"unreadable", "label-conflict", "leaked-patients"}
    assert found.dataset["images"] == 61


def test_nothing_is_left_where_all_of_a_class_is_broken(tmp_path: Path) -> None:
    for place in range(4):
        for name, content in (("good", None), ("bad", b"")):
            file = tmp_path / name / f"{place}.png"
            file.parent.mkdir(exist_ok=True)
            Image.new("L", (16, 16), 40 * place).save(file)
            if content is not None:
                file.write_bytes(content)
    with pytest.raises(DataError, match="no images of bad"):
        xzoo.audit(tmp_path)


def test_the_same_audit_says_the_same() -> None:
    first, second = (msgspec.json.encode(xzoo.audit("phantom:train=30,val=20,test=20,size=32")) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"backbone": "alexnett"}, UsageError, "there is no backbone"),
        ({"split": "half"}, UsageError, "half"),
        ({"backbone": "resnet18@/nowhere.pth"}, WeightsError, "nowhere.pth"),
    ],
)
def test_wrong_words_are_refused_before_any_image_is_read(asked: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        xzoo.audit("phantom", **asked)
