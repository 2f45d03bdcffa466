from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from xzoo.statistics.seeds import Combined, combine, widened

Floats = NDArray[np.float64]
DRAWS = 2000


def drawn(
    rng: np.random.Generator, num_seeds: int, images: float, seeds: float, rest: float, n: int = 100
) -> tuple[Floats, Floats]:
    """Return values over seeds and influences of a mean whose images, seeds and their interaction vary by these deviations."""
    cells_SN = rng.normal(0, seeds, (num_seeds, 1)) + rng.normal(0, images, n) + rng.normal(0, rest, (num_seeds, n))
    means_S = cells_SN.mean(1)
    return means_S, (cells_SN - means_S[:, None]) / math.sqrt(n * (n - 1))


def test_one_seed_has_the_images_alone() -> None:
    values_S, influences_SU = drawn(np.random.default_rng(0), 1, 1, 0, 0)
    found = combine(values_S, influences_SU)
    assert found.deviation == pytest.approx(np.std(influences_SU * math.sqrt(100 * 99), ddof=1) / 10)
    assert (found.between, found.residual) == (None, 0)
    assert found.images_deviation == found.deviation


def test_the_variance_is_that_of_obuchowski_and_rockette() -> None:
    """Their variance of a mean is (MS + S cov) / S, from numpy's own covariance."""
    rng = np.random.default_rng(1)
    for _ in range(1000):
        num_seeds = int(rng.integers(2, 7))
        values_S, influences_SU = drawn(rng, num_seeds, *rng.random(3))
        covariance = np.cov(influences_SU * math.sqrt(100 * 99)) / 100
        own = np.diag(covariance).mean()
        shared = max(0.0, covariance[~np.eye(num_seeds, dtype=bool)].mean())
        residual = max(values_S.var(ddof=1), own - shared)
        assert combine(values_S, influences_SU).deviation ** 2 == pytest.approx(
            (residual + num_seeds * shared) / num_seeds, abs=1e-9
        )


def test_p_and_interval_are_each_others_inverse() -> None:
    one = Combined(0.05, 4e-4, 1e-4, 0.01, 3)
    low, _ = one.interval(1 - one.p())
    assert low == pytest.approx(0, abs=1e-12)
    assert one.reach(0.025) == pytest.approx(math.hypot(1.959963984540054 * 0.01, 4.302652729911275 * 0.02 / math.sqrt(3)))
    assert one.tail(-0.02) == 1 - one.tail(0.02)
    assert one.tail(0) == pytest.approx(0.5)


def test_seeds_that_agree_by_luck_do_not_shrink_the_error_below_the_images_own() -> None:
    _, influences_SU = drawn(np.random.default_rng(2), 3, 0, 0, 1)
    found = combine(np.full(3, 0.1), influences_SU)
    assert found.between == 0
    assert found.deviation >= math.sqrt((influences_SU**2).sum() / 9) * 0.9


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
@pytest.mark.parametrize(("images", "seeds", "rest"), [(1, 0, 0.5), (0.3, 0.1, 0.3), (0, 1, 0.1), (1, 1, 1), (0, 0.1, 1)])
def test_equal_contenders_are_told_apart_in_at_most_a_twentieth_of_draws(
    num_seeds: int, images: float, seeds: float, rest: float
) -> None:
    rng = np.random.default_rng(3)
    told = np.mean([combine(*drawn(rng, num_seeds, images, seeds, rest)).p() < 0.05 for _ in range(DRAWS)])
    assert told <= 0.05 + 2.33 * math.sqrt(0.05 * 0.95 / DRAWS)


def test_a_difference_of_the_detectable_size_is_found_with_the_power_stated() -> None:
    """Fresh draws of the mean and of the variance between seeds, as normal and chi-square have them."""
    one = Combined(0.0, 4e-4, 1e-4, 0.01, 3)
    least = one.detectable()
    assert one.power(least) == pytest.approx(0.8, abs=1e-6)
    rng, draws = np.random.default_rng(4), 4000
    means, spreads = rng.normal(least, one.deviation, draws), 4e-4 * rng.chisquare(2, draws) / 2
    told = np.mean([Combined(mean, spread, 1e-4, 0.01, 3).p() < 0.05 for mean, spread in zip(means, spreads, strict=True)])
    assert told == pytest.approx(0.8, abs=4 * math.sqrt(0.8 * 0.2 / draws))
    assert one.detectable(0.01) > least


def test_more_images_help_until_seeds_are_what_varies() -> None:
    by_images = Combined(0.02, 4e-4, 0.0, 0.0, 3)
    needed = by_images.images_to_tell(100)
    assert needed is not None
    assert by_images._on_images(needed / 100).power(0.02) == pytest.approx(0.8, abs=0.01)
    by_seeds = Combined(0.02, 4e-4, 0.0, 0.02, 3)
    assert by_seeds.images_to_tell(100) is None
    more = by_seeds.seeds_to_tell()
    assert more is not None
    assert more > 3
    assert Combined(0.02, 0.0, 4e-4, 0.0, 3).seeds_to_tell() is None
    assert Combined(0.02, 4e-4, 0.0, None, 1).seeds_to_tell() is None


def test_nothing_that_varies_is_certain_and_what_is_not_known_is_not() -> None:
    assert combine(np.zeros(2), np.zeros((2, 5))).p() == 1
    assert combine(np.full(2, 0.5), np.zeros((2, 5))).p() == 0
    assert math.isnan(combine(np.zeros(1), np.full((1, 5), math.nan)).p())
    assert math.isnan(combine(np.zeros(3), np.full((3, 5), math.nan)).p())


def test_an_interval_is_widened_by_the_spread_of_few_seeds() -> None:
    assert widened(0.9, 0.86, 0.93, 0.0, 3) == pytest.approx((0.86, 0.93))
    low, high = widened(0.9, 0.86, 0.93, 0.02, 3)
    assert low < 0.86
    assert high > 0.93
    alone = widened(0.5, 0.5, 0.5, 0.02, 3)
    assert alone == pytest.approx((0.5 - 4.302652729911275 * 0.02 / math.sqrt(3), 0.5 + 4.302652729911275 * 0.02 / math.sqrt(3)))
    with pytest.raises(ValueError, match="1 seeds"):
        widened(0.5, 0.4, 0.6, 0.1, 1)


def test_patients_bound_the_degrees_of_freedom() -> None:
    values_S, influences_SU = drawn(np.random.default_rng(5), 1, 1, 0, 0)
    few, many = (combine(values_S, influences_SU, most_degrees=degrees) for degrees in (9, math.inf))
    assert few.reach(0.025) / many.reach(0.025) == pytest.approx(2.2621571627409915 / 1.959963984540054)
    with pytest.raises(ValueError, match="0 values"):
        combine(np.zeros(0), np.zeros((0, 3)))
