from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xzoo.data.source import arrays, open_source
from xzoo.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 0, 1])


def test_arrays_are_read_image_by_image() -> None:
    source = open_source(arrays(IMAGES, LABELS, groups=list("abcdef"), splits=["train"] * 4 + ["Validation", "val"]))
    assert source.classes == ("0", "1")
    assert [item.group for item in source.items] == list("abcdef")
    assert source.items[4].split == "val"
    assert all(np.array_equal(source.read(place), IMAGES[place]) for place in range(6))


def test_a_pair_of_tensors_is_read_with_channels_first() -> None:
    source = open_source((torch.from_numpy(COLOUR).permute(0, 3, 1, 2), torch.from_numpy(LABELS)[:, None]))
    assert np.array_equal(source.read(5), COLOUR[5])


def test_a_tensor_with_three_rows_and_three_channels_counts_channels_first() -> None:
    images = torch.zeros(4, 3, 8, 3, dtype=torch.uint8)
    assert open_source((images, [0, 1, 0, 1])).read(0).shape == (8, 3, 3)


def test_floats_in_the_unit_range_are_scaled_and_said() -> None:
    source = open_source((IMAGES / 255, LABELS))
    assert np.array_equal(source.read(3), IMAGES[3])
    assert "6 images" in next(finding.text for finding in source.repairs if finding.id == "float")


@pytest.mark.parametrize(("largest", "full"), [(200, 255), (4000, 4095), (5000, 65535)])
def test_sixteen_bits_are_scaled_by_the_range_of_the_whole_dataset(largest: int, full: int) -> None:
    images = np.zeros((6, 2, 2), np.uint16)
    images[0, 0, 0], images[1, 0, 0] = largest, 100
    source = open_source((images, LABELS))
    assert source.read(0)[0, 0] == round(largest * 255 / full)
    assert source.read(1)[0, 0] == round(100 * 255 / full)


def test_labels_may_be_names() -> None:
    source = open_source((IMAGES, ["ill", "well"] * 3))
    assert source.classes == ("ill", "well")
    assert open_source(arrays(IMAGES, ["ill", "well"] * 3, classes=["well", "ill"])).items[0].label == 1


@pytest.mark.parametrize(
    ("images", "labels", "text"),
    [
        (IMAGES / 128, LABELS, "floats from 0"),
        (np.full((6, 2, 2), np.nan), LABELS, "NaN"),
        (np.full((6, 2, 2), np.inf), LABELS, "infinite"),
        (IMAGES.astype(np.int64), LABELS, "int64"),
        (IMAGES.astype(object), LABELS, "object"),
        (IMAGES[0], LABELS, "shape (5, 4)"),
        (np.zeros((6, 5, 4, 7), np.uint8), LABELS, "neither 1 nor 3"),
        (IMAGES, LABELS[:5], "6 images, 5 labels"),
        (IMAGES, np.eye(6, dtype=int), "multi-label is not built"),
        (IMAGES, LABELS + 0.5, "no whole numbers"),
        (IMAGES, np.zeros(6), "one class alone"),
        ([np.zeros((2, 2)), np.zeros((3, 3))], [0, 1], "ragged"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(images: Any, labels: Any, text: str) -> None:
    with pytest.raises(DataError) as caught:
        open_source((images, labels))
    assert text in caught.value.text
    assert caught.value.remedy


def test_labels_beyond_the_classes_and_classes_without_images_are_refused() -> None:
    with pytest.raises(DataError, match="range from 0 to 1"):
        arrays(IMAGES, LABELS, classes=["only"])
    with pytest.raises(DataError, match="no images of third"):
        open_source(arrays(IMAGES, LABELS, classes=["first", "second", "third"]))
    with pytest.raises(DataError, match="'later' is unknown"):
        arrays(IMAGES, LABELS, splits=["later"] * 6)


def test_some_images_without_a_split_are_refused() -> None:
    with pytest.raises(DataError, match="2 of 6 images name no split"):
        open_source(arrays(IMAGES, LABELS, splits=["train"] * 4 + [None] * 2))


def test_an_npz_as_medmnist_writes_it_declares_its_splits(tmp_path: Path) -> None:
    labels = LABELS[:, None]
    held: dict[str, Any] = {
        f"{split}_{kind}": values
        for split in ("train", "val", "test")
        for kind, values in (("images", COLOUR), ("labels", labels))
    }
    np.savez(tmp_path / "m.npz", **held)
    source = open_source(tmp_path / "m.npz")
    assert [item.split for item in source.items[::6]] == ["train", "val", "test"]
    assert source.items[7].id == "val#1"
    assert source.items[7].label == 1
    assert np.array_equal(source.read(13), COLOUR[1])
    assert "across splits" in source.repairs[0].text


def test_an_npz_of_images_and_labels_declares_none(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "m.npz", images=IMAGES, labels=LABELS * 9)
    source = open_source(tmp_path / "m.npz")
    assert source.classes == ("0", "9")
    assert source.items[0].split is None


@pytest.mark.parametrize(
    ("held", "text"),
    [
        ({"x": IMAGES}, "holds x"),
        ({"train_images": IMAGES}, "no train_labels"),
        ({"images": IMAGES, "labels": np.eye(6, dtype=int)}, "multi-label is not built"),
        ({"images": IMAGES, "labels": LABELS[:3]}, "6 images, 3 labels"),
        ({"images": IMAGES.astype(object), "labels": LABELS}, "Python objects"),
    ],
)
def test_an_npz_that_cannot_be_used_is_named(tmp_path: Path, held: dict[str, Any], text: str) -> None:
    np.savez(tmp_path / "m.npz", **held)
    with pytest.raises(DataError) as caught:
        open_source(tmp_path / "m.npz")
    assert text in caught.value.text
    assert "m.npz" in caught.value.text
    assert caught.value.remedy


@pytest.mark.parametrize("kept", [0, 100, 400])
def test_a_cut_npz_is_named(tmp_path: Path, kept: int) -> None:
    np.savez(tmp_path / "m.npz", images=IMAGES, labels=LABELS)
    (tmp_path / "m.npz").write_bytes((tmp_path / "m.npz").read_bytes()[:kept])
    with pytest.raises(DataError, match=r"m\.npz"):
        open_source(tmp_path / "m.npz")


def test_stacks_of_each_class_are_read_with_and_without_splits(tmp_path: Path) -> None:
    np.save(tmp_path / "ill.npy", IMAGES)
    np.save(tmp_path / "well.npy", COLOUR[:3])
    source = open_source(tmp_path)
    assert source.classes == ("ill", "well")
    assert len(source.items) == 9
    assert source.items[8].id == "well.npy#2"
    assert np.array_equal(source.read(8), COLOUR[2])
    for split in ("train", "test"):
        (tmp_path / "s" / split).mkdir(parents=True)
        for name in ("ill", "well"):
            np.save(tmp_path / "s" / split / f"{name}.npy", IMAGES)
    assert [item.split for item in open_source(tmp_path / "s").items[::12]] == ["train", "test"]


def test_a_stack_of_objects_or_of_nothing_readable_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "ill.npy", IMAGES.astype(object))
    with pytest.raises(DataError, match=r"ill\.npy holds Python objects"):
        open_source(tmp_path)
    (tmp_path / "ill.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"ill\.npy"):
        open_source(tmp_path)
