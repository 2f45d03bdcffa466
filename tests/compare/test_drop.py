from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from two_splits import N, answers, pair

from xzoo.compare.crossing import Judged
from xzoo.compare.drop import Drop, taken_apart, total_of
from xzoo.compare.probabilities import Answers
from xzoo.runs.result import Measure


@pytest.mark.parametrize(
    "of_test", [{}, {"shift": 1.5}, {"towards": 1.0}, {"ill": 0.2}, {"shift": 1.0, "towards": 0.5, "ill": 0.3}]
)
def test_the_parts_sum_to_the_drop(of_test: dict[str, Any]) -> None:
    found = taken_apart([pair(3, **of_test), pair(4, **of_test)])
    parts = found.prevalence.value + found.threshold.value + found.ranking.value
    assert parts == pytest.approx(found.total.value, abs=1e-12)
    assert found.total.value == pytest.approx(found.val - found.test, abs=1e-12)


def test_a_shift_of_all_scores_is_a_moved_threshold() -> None:
    found = taken_apart([pair(1, shift=1.5)])
    assert found.threshold.low is not None
    assert found.threshold.low > 0.04
    assert abs(found.ranking.value) < 0.03
    assert found.moved_p is not None
    assert found.moved_p < 1e-6
    assert found.auroc_lost_p is not None
    assert found.auroc_lost_p > 0.01


def test_classes_that_draw_near_are_lost_ranking() -> None:
    found = taken_apart([pair(1, towards=1.0)])
    assert found.ranking.low is not None
    assert found.ranking.low > 0.08
    assert abs(found.threshold.value) < 0.03
    assert found.auroc_lost_p is not None
    assert found.auroc_lost_p < 1e-6
    assert found.moved is not None
    assert abs(found.moved.value) < 0.05


def test_other_shares_of_classes_count_only_where_one_is_easier() -> None:
    found = taken_apart([pair(1, ill=0.2)])
    assert found.prevalence_p < 1e-6
    assert abs(found.prevalence.value) < 0.02
    uneven = [Judged(answers(0, shift=1.5), answers(1, shift=1.5, ill=0.2), np.arange(N), np.arange(N, 2 * N))]
    harder = taken_apart(uneven)
    assert harder.prevalence.low is not None
    assert harder.prevalence.low > 0.05
    assert abs(harder.threshold.value) < 0.03


def test_where_test_is_as_validation_tests_err_as_often_as_they_say() -> None:
    found = [taken_apart([pair(seed, n=200)]) for seed in range(100, 300)]
    wrong = [
        one.total.low is not None and one.total.high is not None and not one.total.low <= 0 <= one.total.high for one in found
    ]
    ps = np.array([[one.moved_p, one.auroc_lost_p] for one in found], np.float64)
    assert np.mean(wrong) <= 0.09
    assert (ps < 0.05).mean(0).max() <= 0.09
    assert (ps < 0.05).mean(0).min() >= 0.01


def test_intervals_of_the_parts_hold_what_more_images_give() -> None:
    truth = taken_apart([pair(7, n=60_000, shift=1.0, towards=0.5)])
    for part in ("threshold", "ranking"):
        held = []
        for seed in range(20, 70):
            found = getattr(taken_apart([pair(seed, n=400, shift=1.0, towards=0.5)]), part)
            held.append(found.low <= getattr(truth, part).value <= found.high)
        assert np.mean(held) >= 0.86


def test_images_that_all_seeds_share_are_counted_once() -> None:
    one = pair(1, n=300, shift=1.0)
    alone, thrice = taken_apart([one]), taken_apart([one, one, one])
    assert thrice.total == alone.total
    assert thrice.moved_p == alone.moved_p
    others = [replace(pair(seed, n=300, shift=1.0), test_places_N=np.arange(300) + 1000 * seed) for seed in (1, 2, 3)]
    assert _width(taken_apart(others)) < 0.8 * _width(taken_apart([one]))


def test_images_of_a_patient_are_one_piece_of_evidence() -> None:
    """Thirty copies of each image, told to be of one patient, are known as well as the images themselves."""
    once = pair(0, 40)
    thirty = [
        replace(one, chances_NK=np.repeat(one.chances_NK, 30, 0), labels_N=np.repeat(one.labels_N, 30))
        for one in (once.val, once.test)
    ]
    loose = Judged(thirty[0], thirty[1], np.arange(1200), np.arange(1200, 2400))
    names = [np.repeat([f"{split} {unit}" for unit in range(40)], 30) for split in ("val", "test")]
    grouped = replace(loose, val=replace(thirty[0], groups_N=names[0]), test=replace(thirty[1], groups_N=names[1]))
    width, of_few, of_many = (_width_of(total_of([one])) for one in (once, grouped, loose))
    assert of_few == pytest.approx(width, rel=0.05)
    assert of_many < width / 3


def test_shares_of_classes_are_counted_by_patient() -> None:
    """Eight images of each patient, all of one class: images alone would call equal shares unequal in a third of all draws."""
    random = np.random.default_rng(0)

    def side(name: str, ill: float) -> Answers:
        labels_N = np.repeat((random.random(50) < ill).astype(np.int64), 8)
        return Answers(np.eye(2)[labels_N], labels_N, np.repeat([f"{name} {unit}" for unit in range(50)], 8))

    def p(ill: float) -> float:
        return taken_apart([Judged(side("val", 0.5), side("test", ill), np.arange(400), np.arange(400, 800))]).prevalence_p

    ps = np.array([p(0.5) for _ in range(100)])
    assert (ps < 0.05).mean() <= 0.12
    assert (ps < 0.5).mean() == pytest.approx(0.5, abs=0.15)
    assert p(0.05) < 1e-3


def test_where_nothing_varies_little_was_seen() -> None:
    sure = Answers(np.array([[1.0, 0.0]] * 5 + [[0.0, 1.0]] * 5), np.arange(10) // 5)
    found = taken_apart([Judged(sure, sure, np.arange(10), np.arange(10, 20))])
    assert found.total.value == 0
    assert _width(found) >= 0.1


def _width(found: Drop) -> float:
    return _width_of(found.total)


def _width_of(found: Measure) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_classes_that_chance_drew_otherwise_make_no_drop_beyond_chance() -> None:
    """With one hard image in ten its share decides the accuracy: by images within classes a fifth of these differ for sure."""
    random, found = np.random.default_rng(5), []
    for _ in range(200):
        sides = []
        for _ in range(2):
            labels_N = (random.random(N) < 0.1).astype(np.int64)
            said_N = np.where(random.random(N) < np.where(labels_N, 0.2, 0.98), labels_N, 1 - labels_N)
            sides.append(Answers(np.eye(2)[said_N], labels_N))
        total = total_of([Judged(sides[0], sides[1], np.arange(N), np.arange(N, 2 * N))], 0.99)
        assert total.low is not None
        assert total.high is not None
        found.append(not total.low <= 0 <= total.high)
    assert np.mean(found) <= 0.04
