"""The bias-corrected and accelerated bootstrap, against scipy's on the same draws."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from xzoo.statistics.resampling import bca, leave_out_counts, resample_counts

Floats = NDArray[np.float64]


def weighted(counts_RN: NDArray[np.float32], values_N: Floats, strata_N: NDArray[np.int64]) -> Floats:
    """Return the difference of the strata's mean squares, or the one stratum's, in each row of weights."""
    means = [
        (counts_RN[:, strata_N == stratum].astype(np.float64) @ values_N[strata_N == stratum] ** 2)
        / counts_RN[:, strata_N == stratum].sum(1)
        for stratum in np.unique(strata_N)
    ]
    return np.asarray(means[0] if len(means) == 1 else means[0] - means[1])


@pytest.mark.parametrize("sizes", [(12,), (30,), (8, 20), (25, 40)])
def test_the_interval_is_scipys_on_the_same_draws(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(sizes))
    strata_N = np.repeat(np.arange(len(sizes)), sizes)
    values_N = rng.lognormal(size=len(strata_N))
    everyone = np.ones((1, len(strata_N)), np.float32)
    value = float(weighted(everyone, values_N, strata_N)[0])
    drawn_R = np.concatenate([weighted(block, values_N, strata_N) for block in resample_counts(strata_N, num_resamples=500)])
    counts_JN, strata_J = leave_out_counts(strata_N)
    found = bca(value, drawn_R, weighted(counts_JN, values_N, strata_N), strata_J)

    def statistic(*samples: Floats, axis: int = -1) -> Floats:
        means = [np.mean(sample**2, axis=axis) for sample in samples]
        return np.asarray(means[0] if len(means) == 1 else means[0] - means[1])

    samples = tuple(values_N[strata_N == stratum] for stratum in np.unique(strata_N))
    given = SimpleNamespace(bootstrap_distribution=drawn_R)
    bootstrap: Any = stats.bootstrap
    oracle = bootstrap(samples, statistic, method="BCa", n_resamples=0, bootstrap_result=given).confidence_interval
    assert found == pytest.approx((oracle.low, oracle.high), abs=1e-9)


def test_a_stratum_in_blocks_has_about_the_acceleration_of_its_images() -> None:
    values_N = np.random.default_rng(1).lognormal(size=600)
    strata_N = np.zeros(600, np.int64)
    drawn_R = np.concatenate([weighted(block, values_N, strata_N) for block in resample_counts(strata_N)])
    value = float((values_N**2).mean())
    whole, blocks = (
        bca(value, drawn_R, weighted(counts_JN, values_N, strata_N), strata_J)
        for counts_JN, strata_J in (leave_out_counts(strata_N, most=600), leave_out_counts(strata_N, most=100))
    )
    assert blocks == pytest.approx(whole, rel=0.05)
    assert blocks[0] > np.quantile(drawn_R, 0.025)


def test_blocks_are_images_of_one_label_or_patients() -> None:
    labels_N, groups_N = np.repeat([0, 1, 2], [5, 9, 1]), np.repeat(np.arange(5), 3)
    counts_JN, strata_J = leave_out_counts(labels_N)
    assert strata_J.tolist() == [0] * 5 + [1] * 9
    assert (counts_JN.sum(1) == 14).all()
    by_patient_JN, _ = leave_out_counts(labels_N, groups_N)
    assert by_patient_JN.shape == (5, 15)
    assert sorted(map(tuple, by_patient_JN.reshape(5, 5, 3).min(2).tolist())) == sorted(map(tuple, (1 - np.eye(5)).tolist()))
    assert (by_patient_JN.sum(1) == 12).all()


def test_draws_that_are_not_finite_are_left_out_and_none_gives_none() -> None:
    nothing = (np.zeros(0), np.zeros(0))
    assert np.isnan(bca(0.5, np.array([np.nan, np.inf]), *nothing)).all()
    assert bca(1.0, np.array([1.0, np.nan, 1.0]), *nothing) == (1.0, 1.0)
    low, high = bca(5.0, np.arange(4.0), *nothing)
    assert low <= high <= 3
