from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xzoo.data.items import natural
from xzoo.data.source import Source, open_source
from xzoo.errors import DataError, UsageError, XzooError

Tree = Callable[..., Path]


def told(source: Source) -> dict[str, str]:
    return {finding.id: finding.text for finding in source.repairs}


def test_class_folders_declare_no_split(four: Path) -> None:
    source = open_source(four)
    assert source.classes == ("cat", "dog")
    assert [(item.id, item.label, item.split) for item in source.items] == [
        ("cat/1.png", 0, None),
        ("cat/2.png", 0, None),
        ("dog/1.png", 1, None),
        ("dog/2.png", 1, None),
    ]
    assert np.array_equal(source.read(2), np.asarray(Image.open(four / "dog/1.png")))
    assert source.repairs == ()


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation"])
def test_split_folders_declare_splits_by_any_of_their_names(tree: Tree, name: str) -> None:
    source = open_source(
        tree("train/a/1.png", "train/b/1.png", f"{name}/a/1.png", f"{name}/b/1.png", "test/a/1.png", "test/b/2.png")
    )
    assert [item.split for item in source.items] == ["train"] * 2 + ["val"] * 2 + ["test"] * 2


def test_a_class_may_be_called_test_where_nothing_is_called_train(tree: Tree) -> None:
    source = open_source(tree("control/1.png", "control/2.png", "test/1.png", "test/2.png"))
    assert source.classes == ("control", "test")


def test_class_names_sort_as_numbers_do(tree: Tree) -> None:
    names = [f"{label}/{place}.png" for label in ("10", "9", "1") for place in (1, 2)]
    assert open_source(tree(*names)).classes == ("1", "9", "10")


def test_images_may_lie_below_their_class_and_the_group_is_read_from_the_path(tree: Tree) -> None:
    source = open_source(
        tree("a/person7_1.png", "a/x/person8_1.png", "b/person9_1.png", "b/person9_2.png"), group=r"(person\d+)_"
    )
    assert [item.group for item in source.items] == ["person7", "person8", "person9", "person9"]


@pytest.mark.parametrize(("expression", "kind"), [("person", UsageError), ("(", UsageError), (r"(\d)\.jpg", DataError)])
def test_a_group_expression_that_cannot_work_is_named(four: Path, expression: str, kind: type[XzooError]) -> None:
    with pytest.raises(kind) as caught:
        open_source(four, group=expression)
    assert repr(expression) in caught.value.text
    assert caught.value.remedy


def test_hidden_and_system_files_are_passed_over_and_said(four: Path) -> None:
    for name in (".ipynb_checkpoints", "__MACOSX"):
        (four / name).mkdir()
    (four / "cat/.hidden.png").write_bytes(b"")
    (four / "cat/Thumbs.db").write_bytes(b"")
    source = open_source(four)
    assert source.classes == ("cat", "dog")
    assert len(source.items) == 4
    assert told(source)["hidden-files"].startswith("4 hidden")


def test_files_of_other_kinds_and_loose_images_are_said(four: Path) -> None:
    (four / "cat/notes.txt").write_text("a cat")
    (four / "loose.png").write_bytes((four / "cat/1.png").read_bytes())
    assert told(open_source(four))["other-files"].endswith("1 .txt")
    assert "loose.png" in told(open_source(four))["loose-images"]


def test_a_symlink_loop_ends_and_is_said(four: Path) -> None:
    (four / "cat/loop").symlink_to(four, target_is_directory=True)
    (four / "self").symlink_to(four / "self")
    source = open_source(four)
    assert len(source.items) == 4
    assert "cat/loop" in told(source)["linked-folders"]


def test_a_link_to_a_file_outside_is_followed_where_that_is_asked_for_and_said(
    four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XZOO_FOLLOW_LINKS", "1")
    Image.new("L", (4, 4), 77).save(tmp_path / "outside.png")
    (four / "cat/3.png").symlink_to(tmp_path / "outside.png")
    source = open_source(four)
    assert source.read(2).max() == 77
    assert told(source)["linked-files"].startswith("1 link")


def test_byte_identical_images_are_counted_and_kept(tree: Tree) -> None:
    folder = tree("train/a/1.png", "train/b/1.png", "train/b/3.png", "test/a/1.png", "test/b/1.png")
    for copy in ("train/a/2.png", "test/a/2.png"):
        (folder / copy).write_bytes((folder / "train/a/1.png").read_bytes())
    source = open_source(folder)
    assert len(source.items) == 7
    duplicates = next(finding for finding in source.repairs if finding.id == "duplicates")
    assert duplicates.severity == "warning"
    assert duplicates.text.startswith("3 pairs of byte-identical images")
    assert "2 across splits" in duplicates.text


def test_patients_on_two_sides_of_a_declared_split_are_a_warning(tree: Tree) -> None:
    source = open_source(tree("train/a/p1_1.png", "train/b/p2_1.png", "test/a/p1_2.png", "test/b/p3_1.png"), group=r"(p\d)_")
    assert "1 group (patients) lie in more than one declared split: p1" in told(source)["shared-groups"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ((), "holds no images"),
        (("a/1.png", "a/2.png"), "one class alone: a"),
        (("a/1.png", "a/2.png", "b/1.png"), "a single image of b"),
        (
            ("train/a/1.png", "train/a/2.png", "train/b/1.png", "test/c/1.png", "test/c/2.png", "test/b/1.png"),
            "test holds c, which",
        ),
        (("val/a/1.png", "val/b/1.png", "test/a/1.png", "test/b/1.png"), "no train"),
        (("train/a/1.png", "val/a/1.png", "valid/a/1.png"), "both name val"),
    ],
)
def test_a_folder_that_nothing_can_be_learnt_from_is_refused(tree: Tree, names: tuple[str, ...], text: str) -> None:
    folder = tree(*names)
    with pytest.raises(DataError) as caught:
        open_source(folder)
    assert text in caught.value.text
    assert "images" in caught.value.text
    assert caught.value.remedy


def test_a_class_folder_without_images_is_named(four: Path) -> None:
    (four / "empty").mkdir()
    with pytest.raises(DataError, match="no images in empty"):
        open_source(four)


def test_dicom_files_are_named_where_nothing_else_is_there(four: Path) -> None:
    for path in four.rglob("*.png"):
        path.rename(path.with_suffix(".dcm"))
    with pytest.raises(DataError) as caught:
        open_source(four)
    assert "4 files ending in .dcm" in caught.value.remedy


def test_the_folder_inside_is_suggested(tree: Tree) -> None:
    folder = tree("archive/a/1.png", "archive/b/1.png")
    with pytest.raises(DataError) as caught:
        open_source(folder)
    assert str(folder / "archive") in caught.value.remedy


@pytest.mark.parametrize("data", ["/nowhere/at/all", 7])
def test_what_is_no_dataset_is_named(data: object) -> None:
    with pytest.raises(DataError) as caught:
        open_source(data)
    assert str(data) in caught.value.text or "int" in caught.value.text
    assert caught.value.remedy


def test_the_fingerprint_follows_contents_labels_and_groups(four: Path) -> None:
    before = open_source(four).fingerprint
    assert open_source(four).fingerprint == before
    assert open_source(four, group=r"(\d)\.png").fingerprint != before
    (four / "cat/1.png").write_bytes((four / "cat/2.png").read_bytes())
    assert open_source(four).fingerprint != before


def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_followed(four: Path, tmp_path: Path) -> None:
    Image.new("L", (4, 4), 77).save(tmp_path / "outside.png")
    (four / "cat/3.png").symlink_to(four / "dog" / "1.png")
    assert len(open_source(four).items) == 5
    (four / "cat/4.png").symlink_to("../../outside.png")
    with pytest.raises(DataError, match=r"1 link lead out of .*: cat/4\.png -> \.\./\.\./outside\.png") as caught:
        open_source(four)
    assert "cp -rL images COPY" in caught.value.remedy


def test_folders_without_end_are_left(four: Path) -> None:
    (four / "cat" / "/".join("x" * 120)).mkdir(parents=True)
    with pytest.raises(DataError, match="more than 100 folders inside of each other"):
        open_source(four)


def test_names_of_thousands_of_digits_are_sorted_as_numbers() -> None:
    assert natural(["9" * 5000, "10", "9", "09"]) == ["09", "9", "10", "9" * 5000]
