"""What crosses from split to split is counted on the side that it makes too easy."""

from __future__ import annotations

import numpy as np
import pytest

from xzoo.audit.leakage import leaked, leaks, numbered
from xzoo.statistics.intervals import wilson

SPLITS = {"train": np.array([0, 1, 2, 3]), "val": np.array([4, 5]), "test": np.array([6, 7, 8, 9])}


def test_images_with_a_copy_on_the_other_side_are_counted() -> None:
    pictures_N = np.array([0, 1, 2, 3, 4, 1, 1, 7, 2, 9])
    found = leaks("copies", pictures_N, SPLITS)
    assert [(one.within, one.of, one.count, one.examples) for one in found] == [
        ("train", "val", 1, ((1, 5),)),
        ("train", "test", 2, ((1, 6), (2, 8))),
        ("val", "test", 1, ((5, 6),)),
    ]
    share = found[1].share
    assert (share.value, share.n) == (0.5, 4)
    assert (share.low, share.high) == pytest.approx(wilson(2, 4))


def test_nothing_that_crosses_is_nothing_found() -> None:
    assert leaks("copies", np.arange(10), SPLITS) == ()


def test_images_without_a_patient_share_none() -> None:
    patients_N = numbered(["a", None, "b", None, None, "a", "b", "c", None, "c"])
    assert patients_N.tolist() == [0, -1, 1, -1, -1, 0, 1, 2, -1, 2]
    assert leaked(patients_N, SPLITS["test"], SPLITS["train"]).tolist() == [True, False, False, False]
