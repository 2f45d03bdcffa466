"""What a split can tell follows from its numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from xzoo.audit.balance import half_width, sized
from xzoo.statistics.intervals import wilson


@pytest.mark.parametrize("num", [4, 16, 40, 400, 4000])
def test_half_the_width_is_that_of_wilsons_interval(num: int) -> None:
    low, high = wilson(3 * num // 4, num)
    assert half_width(num) == pytest.approx((high - low) / 2, abs=1e-12)


def test_sixteen_images_know_an_accuracy_to_twenty_points() -> None:
    found = sized("val", np.arange(16) % 2, [None] * 16, ["cat", "dog"])
    assert found.words == "16 validation images: an accuracy near 75% is known to ±20 points, the recall of cat (8) to ±26"
    assert found.patients is None
    assert found.classes == {"cat": 8, "dog": 8}
    assert found.majority == 0.5


def test_images_of_few_patients_know_less() -> None:
    found = sized("test", np.zeros(40, np.int64), ["a", "b"] * 20, ["cat", "dog"])
    assert found.patients == 2
    assert found.words.endswith("; they are of 2 patients, so at worst to ±39")
    assert found.recall_within["dog"] is None


def test_nothing_is_known_of_no_images() -> None:
    with pytest.raises(ValueError, match="0 images"):
        half_width(0)
