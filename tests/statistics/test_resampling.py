from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from xzoo.statistics.resampling import bootstrap, expanded, interval, resample_counts, resamples

LABELS_N = np.repeat([0, 1], [30, 70])
VALUES_N = np.random.default_rng(0).normal(size=100)


def mean(indices: NDArray[np.int64]) -> float:
    return float(VALUES_N[indices].mean())


def test_one_stratum_agrees_with_scipy() -> None:
    low, high = bootstrap(mean, np.zeros(100), num_resamples=4000)
    oracle = stats.bootstrap((VALUES_N,), np.mean, method="percentile", n_resamples=4000, rng=1).confidence_interval
    assert (low, high) == pytest.approx((oracle.low, oracle.high), abs=0.015)


def test_every_resample_keeps_the_size_of_each_class() -> None:
    for indices in resamples(LABELS_N, num_resamples=20):
        assert np.bincount(LABELS_N[indices]).tolist() == [30, 70]
    for counts_RN in resample_counts(LABELS_N, num_resamples=20):
        assert (counts_RN[:, :30].sum(1) == 30).all()
        assert (counts_RN[:, 30:].sum(1) == 70).all()


def test_strata_of_a_constant_share_leave_no_width() -> None:
    assert bootstrap(lambda indices: float(LABELS_N[indices].mean()), LABELS_N, num_resamples=50) == (0.7, 0.7)


def test_images_of_a_patient_are_drawn_together() -> None:
    groups_N = np.array([f"patient {i // 4}" for i in range(100)])
    for indices in resamples(LABELS_N, groups_N, num_resamples=10):
        assert (np.bincount(indices, minlength=100).reshape(25, 4).std(1) == 0).all()
    for counts_RN in resample_counts(LABELS_N, groups_N, num_resamples=10):
        assert (counts_RN.reshape(-1, 25, 4).std(2) == 0).all()
        assert (counts_RN.sum(1) == 100).all()


def test_patients_with_like_images_widen_the_interval() -> None:
    groups_N = np.repeat(np.arange(10), 10)
    values_N = np.repeat(np.random.default_rng(1).normal(size=10), 10)
    alone = bootstrap(lambda indices: float(values_N[indices].mean()), np.zeros(100), num_resamples=400)
    together = bootstrap(lambda indices: float(values_N[indices].mean()), np.zeros(100), groups_N, num_resamples=400)
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


@pytest.mark.parametrize("num", [12, 20])
def test_percentiles_of_few_patients_are_moved_out_until_they_hold_what_they_say(num: int) -> None:
    rng, held = np.random.default_rng(num), {0.95: 0, expanded(num): 0}
    for _ in range(2000):
        values_N = rng.normal(size=num)
        means_R = values_N[rng.integers(0, num, (600, num))].mean(1)
        for level in held:
            low, high = interval(means_R, level)
            held[level] += low <= 0 <= high
    plain, wider = (count / 2000 for count in held.values())
    assert plain < 0.935
    assert 0.935 < wider < 0.965


def test_many_patients_need_no_more_room_two_have_all_of_it_and_one_says_nothing() -> None:
    assert expanded(1_000_000) == pytest.approx(0.95, abs=1e-6)
    assert 1 > expanded(2) == pytest.approx(1, abs=1e-8)
    assert expanded(1) == 0.95
    reach = stats.t.ppf(0.975, 19) * (20 / 19) ** 0.5
    assert expanded(20) == pytest.approx(1 - 2 * stats.norm.sf(reach), abs=1e-12)


def test_a_seed_gives_one_interval() -> None:
    assert bootstrap(mean, LABELS_N, num_resamples=50, seed=3) == bootstrap(mean, LABELS_N, num_resamples=50, seed=3)
    assert bootstrap(mean, LABELS_N, num_resamples=50, seed=3) != bootstrap(mean, LABELS_N, num_resamples=50, seed=4)


def test_counts_and_indices_are_drawn_from_one_distribution() -> None:
    by_index = np.array([VALUES_N[indices].mean() for indices in resamples(LABELS_N, num_resamples=2000)])
    by_count = np.concatenate([counts_RN @ VALUES_N / 100 for counts_RN in resample_counts(LABELS_N, num_resamples=2000)])
    assert len(by_count) == 2000
    assert stats.ks_2samp(by_index, by_count).pvalue > 0.001


def test_values_that_are_not_finite_are_left_out() -> None:
    assert interval(np.array([np.nan, 1.0, np.inf, 1.0])) == (1.0, 1.0)
    assert np.isnan(interval(np.array([np.nan]))).all()
