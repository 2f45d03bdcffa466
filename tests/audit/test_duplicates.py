"""Copies are found however they were changed, and pictures that merely look alike are none."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from xzoo.audit import duplicates, sketches
from xzoo.audit.duplicates import Duplicates, Pair
from xzoo.audit.looks import SKETCH
from xzoo.data.phantom import Dials, draw


def drawn(count: int, seed: int = 0, size: int = 128) -> list[Image.Image]:
    """Return different radiographs."""
    images_NHW, *_ = draw(Dials(train=count, val=0, test=0, size=size, seed=seed))
    return [Image.fromarray(image_HW) for image_HW in images_NHW]


def encoded(image: Image.Image) -> Image.Image:
    """Re-encode at quality 40."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=40)
    return Image.open(io.BytesIO(held.getvalue())).convert("L")


def resized(image: Image.Image) -> Image.Image:
    """Resize to 60% and back."""
    width, height = image.size
    return image.resize((round(0.6 * width), round(0.6 * height))).resize((width, height))


def cropped(image: Image.Image) -> Image.Image:
    """Cut 3% off every side."""
    width, height = image.size
    return image.crop((round(0.03 * width), round(0.03 * height), round(0.97 * width), round(0.97 * height)))


def cornered(image: Image.Image) -> Image.Image:
    """Cut 3% off the right and the bottom."""
    width, height = image.size
    return image.crop((0, 0, round(0.97 * width), round(0.97 * height)))


def brightened(image: Image.Image) -> Image.Image:
    """Brighten by 10%."""
    return ImageEnhance.Brightness(image).enhance(1.1)


def all_at_once(image: Image.Image) -> Image.Image:
    """Make every change, one after the other."""
    return brightened(encoded(cropped(resized(image))))


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    change.__name__: change for change in (encoded, resized, cropped, cornered, brightened, all_at_once)
}


def sketched(images: list[Image.Image]) -> NDArray[np.uint8]:
    """Return the sketches that a pass over a pack would keep."""
    return np.stack([np.asarray(image.resize((SKETCH, SKETCH), Image.Resampling.BILINEAR)) for image in images])


def search(images: list[Image.Image]) -> Duplicates:
    digests = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    return duplicates.find(digests, [], sketched(images), images.__getitem__)


@pytest.fixture(scope="module")
def originals() -> list[Image.Image]:
    return drawn(120)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_copies_are_found_and_nothing_else(
    originals: list[Image.Image], change: Callable[[Image.Image], Image.Image]
) -> None:
    copies = [change(image) for image in originals[::6]]
    found = search(originals + copies)
    assert {(pair.one, pair.other) for pair in found.pairs} == {(6 * place, 120 + place) for place in range(20)}
    assert {pair.kind for pair in found.pairs} == {"near"}


def test_pictures_that_merely_look_alike_are_no_copies(originals: list[Image.Image]) -> None:
    found = search(originals + drawn(120, seed=1))
    assert found.pairs == ()
    assert not found.is_copied.any()


def test_equal_pixels_are_told_from_equal_files() -> None:
    found = duplicates.equal(["a", "b", "a", "a"], ["1", "2", "1", "3"])
    assert list(found) == [Pair(0, 2, "bytes"), Pair(0, 3, "pixels")]
    assert [pair.kind for pair in duplicates.equal(["a", "a"], ["", ""])] == ["pixels"]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_copies_are_found_where_there_is_hardly_anything_else(count: int) -> None:
    [image, *_] = drawn(2)
    copies = [image, *(CHANGES[name](image) for name in list(CHANGES)[: count - 1])]
    found = search(copies)
    assert set(found.pictures_N.tolist()) == {0}


def test_a_chain_of_copies_is_one_picture() -> None:
    pairs = [Pair(3, 4, "near"), Pair(1, 3, "near"), Pair(0, 5, "bytes")]
    assert duplicates.joined(6, pairs).tolist() == [0, 1, 2, 1, 1, 0]
    assert Duplicates(tuple(pairs), duplicates.joined(6, pairs), 3).is_copied.tolist() == [True, True, False, True, True, True]


def test_flat_images_are_copies_of_their_equals_alone() -> None:
    flat = [Image.new("L", (64, 64), color) for color in (0, 128, 0, 255)]
    found = search(flat + drawn(20, size=64))
    assert [(pair.one, pair.other) for pair in found.pairs] == [(0, 2)]


def test_one_picture_under_two_labels_is_a_conflict() -> None:
    pictures_N, labels_N = np.array([0, 1, 0, 3, 1]), np.array([0, 1, 1, 0, 1])
    assert duplicates.conflicts(pictures_N, labels_N) == ((0, 2),)


def test_codes_made_some_at_a_time_find_the_same_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    originals = drawn(12, size=64)
    images = [*originals, *map(cropped, originals[:3])]
    whole = search(images).pairs
    monkeypatch.setattr(sketches, "_AT_ONCE", 4)
    assert [(pair.one, pair.other) for pair in search(images).pairs] == [(pair.one, pair.other) for pair in whole]
    assert len(whole) == 3
