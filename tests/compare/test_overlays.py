"""An image under its map: unchanged where the map says nothing, brightest where it says most."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from xzoo.compare.overlays import drawn, name_of

IMAGE_1HW = np.arange(12, dtype=np.uint8).reshape(1, 3, 4) * 20


def test_without_evidence_the_image_is_what_it_was() -> None:
    found_HW3 = drawn(IMAGE_1HW, np.zeros((3, 4), np.float32))
    assert found_HW3.shape == (3, 4, 3)
    assert (found_HW3 == IMAGE_1HW[0][..., None]).all()


def test_a_place_with_evidence_is_coloured_and_no_other() -> None:
    share_HW = np.zeros((3, 4), np.float32)
    share_HW[1, 2], share_HW[2, 0] = 1.0, 0.3
    found_HW3 = drawn(np.zeros((3, 3, 4), np.uint8), share_HW)
    assert (found_HW3[1, 2] == 153).all(), "white, as far as it covers the image"
    assert found_HW3[2, 0, 0] > 100
    assert (found_HW3[2, 0, 1:] == 0).all(), "red"
    found_HW3[1, 2] = found_HW3[2, 0] = 0
    assert not found_HW3.any()


@pytest.mark.parametrize("stem", ["plain", "with spaces/../and dots", "名前", "\udcff", "a" * 300, "=1+1"])
def test_names_of_pictures_are_of_letters_that_every_system_keeps(stem: str) -> None:
    name = name_of(4, Path("folder", f"{stem}.jpeg"))
    assert name.startswith("00005-")
    assert name.endswith(".png")
    assert name.isascii()
    assert len(name) < 80
    assert not set(name) & set("/\\: \n")
