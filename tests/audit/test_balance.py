"""What a split can tell follows from its numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from xzoo.audit.balance import Detectable, half_width, sized
from xzoo.statistics.intervals import wilson
from xzoo.statistics.paired import mcnemar_exact


@pytest.mark.parametrize("num", [4, 16, 40, 400, 4000])
def test_half_the_width_is_that_of_wilsons_interval(num: int) -> None:
    low, high = wilson(3 * num // 4, num)
    assert half_width(num) == pytest.approx((high - low) / 2, abs=1e-12)


def test_sixteen_images_know_an_accuracy_to_twenty_points() -> None:
    found = sized("val", np.arange(16) % 2, [None] * 16, ["cat", "dog"])
    assert found.words.startswith(
        "16 validation images: an accuracy near 75% is known to ±20 points, the recall of cat (8) to ±26; "
    )
    assert found.patients is None
    assert found.classes == {"cat": 8, "dog": 8}
    assert found.majority == 0.5


def test_images_of_few_patients_know_less() -> None:
    found = sized("test", np.zeros(40, np.int64), ["a", "b"] * 20, ["cat", "dog"])
    assert found.patients == 2
    assert found.words.endswith("; they are of 2 patients, so at worst to ±39, and no two contenders are ever told apart")
    assert found.recall_within["dog"] is None


def test_the_least_differences_between_contenders_are_told_with_how_often_these_disagree() -> None:
    found = sized("test", np.arange(400) % 2, [None] * 400, ["cat", "dog"])
    assert [(one.disagreement, round(one.difference or 0, 4)) for one in found.detectable] == [(0.1, 0.0456), (0.3, 0.0786)]
    assert found.words.endswith(
        "; two contenders are told apart, four times in five, from 4.6 points on where they disagree on 10%, "
        "from 7.9 points on where they disagree on 30%"
    )


@pytest.mark.parametrize("num", [16, 60, 400])
def test_draws_of_the_least_difference_are_told_apart_in_four_of_five(num: int) -> None:
    for one in sized("test", np.arange(num) % 2, [None] * num, ["cat", "dog"]).detectable:
        assert one.difference is not None
        shares = [(one.disagreement + one.difference) / 2, (one.disagreement - one.difference) / 2, 1 - one.disagreement]
        tables = np.random.default_rng(num).multinomial(num, shares, 2000)
        assert np.mean([mcnemar_exact(int(a), int(b)) < 0.05 for a, b, _ in tables]) == pytest.approx(0.8, abs=0.03)


def test_contenders_cannot_disagree_less_than_they_differ() -> None:
    found = sized("val", np.arange(16) % 2, [None] * 16, ["cat", "dog"])
    assert [one.disagreement == one.difference for one in found.detectable] == [True, True]
    assert found.words.endswith("; two contenders are told apart, four times in five, from 45 points on at best")
    middling = sized("val", np.arange(60) % 2, [None] * 60, ["cat", "dog"]).words
    assert "disagree on 10%" not in middling
    assert "disagree on 30%" in middling


def test_no_contenders_are_compared_on_train_and_five_images_tell_none_apart() -> None:
    assert "contenders" not in sized("train", np.arange(400) % 2, [None] * 400, ["cat", "dog"]).words
    few = sized("val", np.arange(5) % 2, [None] * 5, ["cat", "dog"])
    assert few.words.endswith("; no two contenders are ever told apart")
    assert few.detectable == (Detectable(0.1, None), Detectable(0.3, None))


def test_nothing_is_known_of_no_images() -> None:
    with pytest.raises(ValueError, match="0 images"):
        half_width(0)
