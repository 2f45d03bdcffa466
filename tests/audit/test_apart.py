"""Pairs of splits are told apart on like terms: the same sample in every call, whole units, and p for all pairs together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from xzoo.audit.apart import sampled, told_apart, units_of
from xzoo.audit.duplicates import Duplicates
from xzoo.audit.embedding import by_traits
from xzoo.audit.looks import look_at
from xzoo.data.pack import Pack
from xzoo.statistics.paired import holm


def test_images_are_sampled_alike_in_every_call_and_all_where_they_are_few() -> None:
    places = np.arange(0, 6000, 2)
    assert np.array_equal(sampled("test", places), sampled("test", places))
    assert len(sampled("test", places)) == 1000
    assert np.array_equal(sampled("val", places[:1000]), places[:1000])


def test_images_belong_together_by_patient_else_by_picture() -> None:
    units = units_of(["a", None, "a", None, None], np.array([0, 1, 2, 1, 4]))
    assert units[0] == units[2]
    assert units[1] == units[3]
    assert len(set(units.tolist())) == 3


def test_p_is_adjusted_over_all_pairs_and_splits_of_few_images_are_left_out(pack: Pack) -> None:
    looks = look_at(pack)
    features = by_traits(looks.traits_NT, np.arange(40))
    parts = {"train": np.arange(0, 14), "val": np.arange(14, 26), "test": np.arange(26, 40)}
    rows, controls = told_apart(pack, features, looks, Duplicates((), np.arange(40), 0), parts)
    assert [(row.first, row.second) for row in rows] == list(combinations(parts, 2))
    assert [one.split for one in controls] == list(parts)
    adjusted = holm([test.p for row in rows for test in (row.labels, row.appearance)])
    assert [p for row in rows for p in (row.labels_p_holm, row.appearance_p_holm)] == pytest.approx(adjusted)
    assert min(adjusted) > min(test.p for row in rows for test in (row.labels, row.appearance))
    rows, controls = told_apart(pack, features, looks, Duplicates((), np.arange(40), 0), parts | {"val": np.arange(14, 20)})
    assert [(row.first, row.second) for row in rows] == [("train", "test")]
    assert [one.split for one in controls] == ["train", "test"]
