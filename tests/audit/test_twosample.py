"""The two-sample test says no where there is nothing, and how much where there is something."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xzoo.audit.twosample import Floats, directions, logit_interval, placed, two_sample


def samples(num: int, away: float, seed: int, dimensions: int = 8) -> tuple[Floats, NDArray[np.bool_]]:
    """Return two normal samples whose means lie `away` deviations apart along one direction."""
    random = np.random.default_rng(seed)
    is_second = np.arange(num) >= num // 2
    features = random.standard_normal((num, dimensions))
    features[is_second, 0] += away
    return directions(features), is_second


def test_two_samples_of_one_kind_are_told_apart_no_more_often_than_p_says() -> None:
    ps = np.array([two_sample(*samples(60, 0.0, seed), num_permutations=39, seed=seed).p for seed in range(200)])
    # 200 draws at 10%: 99.9% of such counts lie between 7 and 35.
    assert 7 <= (ps <= 0.1).sum() <= 35
    assert 0.4 < ps.mean() < 0.65


def test_patients_are_permuted_whole() -> None:
    """Ten images of each patient, who differ much: image by image that would look like a difference between the samples."""
    found = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        units = np.repeat(np.arange(24), 10)
        features = random.standard_normal((24, 6))[units] + 0.1 * random.standard_normal((240, 6))
        found.append(two_sample(directions(features), units >= 12, units_N=units, num_permutations=39, seed=seed).p)
    # At most 8 of 40 at 10% in 99.5% of such draws; without units nearly all would be.
    assert sum(p <= 0.1 for p in found) <= 8


def test_patients_of_very_different_sizes_do_not_upset_the_permutations() -> None:
    found = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        units = np.repeat(np.arange(40), random.integers(1, 12, 40))
        features = random.standard_normal((40, 4))[units]
        found.append(two_sample(directions(features), units >= 30, units_N=units, num_permutations=39, seed=seed).p)
    assert sum(p <= 0.1 for p in found) <= 8


def test_a_difference_is_found_and_measured() -> None:
    found = two_sample(*samples(800, 1.0, 0), num_permutations=99)
    # Normal samples one deviation apart: the best classifier reaches 0.760 (Phi of 1 by the root of 2).
    assert 0.70 < found.auroc.value < 0.79
    assert found.auroc.low is not None
    assert found.auroc.high is not None
    assert found.auroc.low < found.auroc.value < found.auroc.high
    assert found.auroc.n == 800
    assert found.p == 0.01


def test_the_interval_holds_what_many_samples_give_on_average() -> None:
    runs = [two_sample(*samples(200, 1.0, seed, dimensions=3), num_permutations=0, seed=seed).auroc for seed in range(120)]
    mean = np.mean([run.value for run in runs])
    held = sum(run.low <= mean <= run.high for run in runs if run.low is not None and run.high is not None)
    # 95% of 120 is 114; 99.9% of such counts lie above 105.
    assert held >= 105


def test_classes_that_are_spread_differently_are_no_difference_within_classes() -> None:
    random = np.random.default_rng(0)
    labels = np.r_[random.random(300) < 0.2, random.random(300) < 0.8].astype(np.int64)
    features = random.standard_normal((600, 4)) + 3 * labels[:, None]
    is_second, values = np.arange(600) >= 300, directions(features)
    assert two_sample(values, is_second, num_permutations=99).p == 0.01
    within = two_sample(values, is_second, strata_N=labels, num_permutations=99)
    assert within.p > 0.05
    assert 0.42 < within.auroc.value < 0.58


def test_many_features_of_noise_tell_nothing_from_few_images() -> None:
    aurocs = [two_sample(*samples(80, 0.0, seed, dimensions=60), num_permutations=0).auroc.value for seed in range(10)]
    assert 0.4 < np.mean(aurocs) < 0.6


def test_features_that_are_all_the_same_tell_nothing() -> None:
    found = two_sample(directions(np.ones((40, 3))), np.arange(40) >= 20, num_permutations=19)
    assert found.auroc.value == 0.5
    assert found.p == 1.0


def test_scales_of_features_do_not_matter() -> None:
    random = np.random.default_rng(1)
    features, is_second = random.standard_normal((200, 8)), np.arange(200) >= 100
    scaled = features * np.logspace(-14, 3, 8)
    assert np.abs(directions(scaled)) == pytest.approx(np.abs(directions(features)), abs=1e-4)
    assert two_sample(directions(features[:, :1] * 1e-14), is_second, num_permutations=0).auroc.value != 0.5


def test_images_that_give_their_sample_away_lie_beyond_the_others() -> None:
    features, is_second = np.random.default_rng(2).standard_normal((200, 8)), np.arange(200) >= 100
    features[is_second, 0] += 1
    features[150, 0] = 9
    assert two_sample(directions(features), is_second, num_permutations=0).beyond_N[150] == 1.0


def test_one_patient_is_no_sample() -> None:
    with pytest.raises(ValueError, match="two units"):
        two_sample(np.zeros((4, 1), np.float32), np.array([False, False, True, True]), units_N=np.array([0, 1, 2, 2]))


def test_places_among_others_count_ties_half() -> None:
    assert placed(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 2.0, 3.0])).tolist() == [0.25, 0.625, 1.0]


def test_at_the_ends_anything_is_possible() -> None:
    assert logit_interval(1.0, 0.0) == (0.0, 1.0)
    low, high = logit_interval(0.75, 0.05)
    assert low == pytest.approx(0.6401, abs=1e-4)
    assert high == pytest.approx(0.8350, abs=1e-4)
