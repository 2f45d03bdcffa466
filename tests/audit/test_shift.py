"""Differences between splits are attributed: to the classes' shares, or to how the images of a class look."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xzoo.audit import shift
from xzoo.audit.traits import NAMED, TRAITS
from xzoo.audit.twosample import directions


def sides(labels_N: NDArray[np.int64], num_first: int) -> shift.Sides:
    num = len(labels_N)
    return shift.Sides("val", "test", np.arange(num) >= num_first, labels_N, np.arange(num))


def looks(num: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features and traits of images of one kind."""
    random = np.random.default_rng(seed)
    return random.standard_normal((num, 6)), random.standard_normal((num, len(TRAITS)))


def test_a_class_that_looks_different_is_named_with_what_differs() -> None:
    labels_N = np.tile([0, 1], 200)
    features_ND, traits_NT = looks(400)
    changed = (np.arange(400) >= 200) & (labels_N == 1)
    features_ND[changed] += 1
    traits_NT[changed, list(NAMED).index("sharpness")] -= 2
    found = shift.compared(sides(labels_N, 200), directions(features_ND), traits_NT, ("normal", "ill"))
    assert found.appearance.p < 0.01
    normal, ill = (found.by_class[name] for name in ("normal", "ill"))
    assert normal is not None
    assert ill is not None
    assert normal.p > 0.05
    assert ill.p < 0.01
    assert ill.auroc.value > found.appearance.auroc.value > normal.auroc.value
    assert found.labels.distance == 0
    assert found.labels.p == 1
    assert [(trait.name, trait.auroc.value < 0.5) for trait in found.traits] == [("sharpness", True)]
    of_test = [one for one in found.giveaways if one.place >= 200]
    assert len(of_test) == 5
    assert all(changed[one.place] and one.beyond > 0.9 for one in of_test)


def test_shares_that_differ_are_label_shift_and_no_other_look() -> None:
    labels_N = np.r_[np.arange(200) < 100, np.arange(200) < 160].astype(np.int64)
    features_ND, traits_NT = looks(400, seed=3)
    features_ND[labels_N == 1] += 2
    found = shift.compared(sides(labels_N, 200), directions(features_ND), traits_NT, ("normal", "ill"))
    assert found.labels.distance == pytest.approx(0.3)
    assert found.labels.p < 0.01
    assert found.total.p < 0.01
    assert found.appearance.p > 0.05


def test_copies_in_both_classes_count_once_for_their_shares() -> None:
    labels_N = np.r_[np.zeros(20), np.zeros(10), np.ones(10)].astype(np.int64)
    units_N = np.r_[np.arange(30), np.full(10, 30)]
    is_second_N = np.arange(40) >= 20
    apart = shift.label_shift(labels_N, is_second_N, np.arange(40))
    together = shift.label_shift(labels_N, is_second_N, units_N)
    assert apart.distance == together.distance == 0.5
    assert apart.p < 0.01
    assert together.p > 0.2


def test_a_class_of_few_images_is_not_judged() -> None:
    labels_N = np.r_[np.zeros(60), np.ones(4), np.zeros(60), np.ones(40)].astype(np.int64)
    features_ND, traits_NT = looks(164)
    assert shift.compared(sides(labels_N, 64), directions(features_ND), traits_NT, ("normal", "ill")).by_class["ill"] is None


def test_the_control_finds_nothing_in_one_split() -> None:
    features_ND, _ = looks(200)
    found = shift.control("val", directions(features_ND), np.tile([0, 1], 100), np.arange(200))
    assert 0.45 < found.auroc.value < 0.55
    assert found.auroc.n == 20


def test_the_control_draws_patients_whole() -> None:
    units_N = np.repeat(np.arange(20), 10)
    features_ND = np.random.default_rng(0).standard_normal((20, 6))[units_N]
    assert 0.3 < shift.control("val", directions(features_ND), np.zeros(200, np.int64), units_N).auroc.value < 0.6
