from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray

from xzoo.data.phantom import CLASSES, Dials, draw, parse, picture, source
from xzoo.errors import UsageError

SMALL = "train=40,val=20,test=40,size=48"


def lung_brightness(images_NHW: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean of the lower lungs, where opacities lie; columns of heart and spine are left out."""
    size = images_NHW.shape[1]
    rows = slice(int(size * 0.35), int(size * 0.7))
    left, right = slice(int(size * 0.18), int(size * 0.38)), slice(int(size * 0.72), int(size * 0.82))
    return np.asarray(np.concatenate([images_NHW[:, rows, left], images_NHW[:, rows, right]], axis=2).mean((1, 2)))


def ranking(scores_N: NDArray[np.float64], labels_N: NDArray[np.int64]) -> float:
    ill, well = scores_N[labels_N == 1], scores_N[labels_N == 0]
    return float((ill[:, None] > well).mean())


def test_no_dials_give_the_default_demo() -> None:
    assert parse("") == Dials()
    images_NHW, labels_N, splits_N, ids_N = draw(parse(SMALL))
    assert images_NHW.shape == (100, 48, 48)
    assert images_NHW.dtype == np.uint8
    assert dict(zip(*np.unique(splits_N, return_counts=True), strict=True)) == {"train": 40, "val": 20, "test": 40}
    assert len(set(ids_N)) == 100
    assert all(label == CLASSES.index(str(name).split("/")[1]) for name, label in zip(ids_N, labels_N, strict=True))


def test_dials_are_read_from_words() -> None:
    assert parse(" shift=0.5, size=64 ") == Dials(shift=0.5, size=64)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shfit=1", "did you mean shift?"),
        ("zoom=1", "its dials are train"),
        ("size=64.5", "a whole number"),
        ("shift=much", "with a number"),
        ("shift", "with a number"),
        ("shift=nan", "from 0 to 1"),
        ("train=1", "from 2"),
        ("size=8", "from 32"),
        ("noise=-1", "from 0 to 1"),
        ("seed=-1", "from 0"),
    ],
)
def test_a_dial_that_cannot_be_used_says_what_to_write(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "phantom" in caught.value.text
    assert said in caught.value.remedy


def test_the_pictures_are_the_same_bytes_everywhere() -> None:
    images_NHW = draw(parse("train=4,val=2,test=4,size=48,leakage=0.5,shift=0.5"))[0]
    digest = hashlib.sha256(images_NHW.tobytes()).hexdigest()
    assert digest == "e1ae5e517e46769c3b190281225c9ff271dd1769c5f91d045eec1a59f714c802", "the drawing has changed: raise VERSION"


def test_an_image_depends_on_its_place_alone() -> None:
    many, few = parse(SMALL), parse("train=40,val=20,test=44,size=48")
    assert np.array_equal(picture(many, 7), draw(many)[0][7])
    assert np.array_equal(picture(many, 7), picture(few, 7))
    assert not np.array_equal(picture(many, 7), picture(parse(SMALL + ",seed=1"), 7))


def test_signal_separates_the_classes_and_none_leaves_them_alike() -> None:
    sizes = "train=200,val=0,test=0,size=32"
    images_NHW, labels_N, *_ = draw(parse(sizes))
    assert ranking(lung_brightness(images_NHW), labels_N) > 0.9
    images_NHW, labels_N, *_ = draw(parse(sizes + ",signal=0"))
    # The deviation of the area under the curve at 100 against 100 is 0.041; this is three of them.
    assert 0.377 < ranking(lung_brightness(images_NHW), labels_N) < 0.623


def test_without_signal_a_picture_does_not_know_its_class() -> None:
    without, with_signal = parse(SMALL + ",signal=0"), parse(SMALL)
    labels_N = draw(without)[1]
    for index in range(20):
        same = np.array_equal(picture(without, index), picture(with_signal, index))
        assert same == (labels_N[index] == 0)


def test_shift_changes_the_test_split_alone() -> None:
    (before, *_, ids_N), (after, *_) = draw(parse(SMALL)), draw(parse(SMALL + ",shift=1"))
    assert np.array_equal(before[:60], after[:60])
    assert after[60:].std((1, 2)).mean() < 0.8 * before[60:].std((1, 2)).mean()
    assert all(str(name).startswith("test/") for name in ids_N[60:])


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_leakage_is_the_share_of_test_images_that_copy_a_train_image(share: float) -> None:
    images_NHW, labels_N, splits_N, _ = draw(parse(f"{SMALL},leakage={share}"))
    train_ND = images_NHW[splits_N == "train"].reshape(40, -1).astype(float)
    test_ND = images_NHW[splits_N == "test"].reshape(40, -1).astype(float)
    distances = np.sqrt(((test_ND[:, None] - train_ND[None]) ** 2).mean(2))
    copies = distances.min(1) < 9
    assert copies.sum() == round(40 * share)
    twins_N = labels_N[splits_N == "train"][distances.argmin(1)]
    assert (twins_N == labels_N[splits_N == "test"])[copies].all()
    assert distances.min() > 0, "a near copy is not the same picture"


def test_noise_turns_labels_of_train_and_val_alone() -> None:
    (images, clean_N, splits_N, _), (noisy_images, noisy_N, *_) = draw(parse(SMALL)), draw(parse(SMALL + ",noise=0.25"))
    wrong_N = clean_N != noisy_N
    assert {split: int(wrong_N[splits_N == split].sum()) for split in ("train", "val", "test")} == {
        "train": 10,
        "val": 5,
        "test": 0,
    }
    assert np.array_equal(images, noisy_images)


@pytest.mark.parametrize(("balance", "ill"), [(0.5, 20), (0.1, 4), (0.9, 36)])
def test_balance_is_the_share_of_pneumonia_in_every_split(balance: float, ill: int) -> None:
    _, labels_N, splits_N, _ = draw(parse(f"{SMALL},balance={balance}"))
    assert [int(labels_N[splits_N == split].sum()) for split in ("train", "val", "test")] == [ill, ill // 2, ill]


def test_the_source_reads_what_is_drawn() -> None:
    opened = source(SMALL)
    images_NHW, labels_N, splits_N, ids_N = draw(parse(SMALL))
    assert opened.classes == CLASSES
    assert [item.id for item in opened.items] == ids_N.tolist()
    assert [item.label for item in opened.items] == labels_N.tolist()
    assert [item.split for item in opened.items] == splits_N.tolist()
    assert np.array_equal(opened.read(63), images_NHW[63])


def test_the_fingerprint_follows_the_dials() -> None:
    assert source(SMALL).fingerprint == source(SMALL).fingerprint
    assert source(SMALL).fingerprint != source(SMALL + ",seed=1").fingerprint
