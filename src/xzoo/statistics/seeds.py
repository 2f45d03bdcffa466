"""Several trainings judged on images: what varies between seeds, what varies between images, and both together."""

# S = seeds, U = units that vary independently: images, or patients

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.statistics.power import MOST_IMAGES, POWER

MOST_SEEDS = 1000
"""More than this many seeds are not counted."""


@dataclass(frozen=True)
class Combined:
    """A mean over seeds and its standard errors.

    `residual` is the variance of one seed's value given the part that all seeds share, `shared` the variance of that part, which
    more seeds on the same images do not lessen, and `between` the deviation between seeds beyond what the images explain: None of
    one seed.
    """

    value: float
    residual: float
    shared: float
    between: float | None
    num_seeds: int
    most_degrees: float = math.inf

    @property
    def deviation(self) -> float:
        """The standard error over images and seeds; of one seed over images alone."""
        return math.sqrt(self.residual / self.num_seeds + self.shared)

    @property
    def images_deviation(self) -> float:
        """The standard error over images, for the seeds as they are."""
        return math.sqrt(max(0.0, self.deviation**2 - (self.between or 0.0) ** 2 / self.num_seeds))

    @property
    def degrees(self) -> float:
        """Those of Hillis 2007 (https://doi.org/10.1002/sim.2532): few where seeds matter and are few."""
        if self.num_seeds == 1 or not self.residual > 0:
            return self.most_degrees
        whole = self.residual + self.num_seeds * self.shared
        return min(self.most_degrees, (self.num_seeds - 1) * (whole / self.residual) ** 2)

    def p(self, at: float = 0.0) -> float:
        """Return the two-sided p of "the true mean is `at`"; 1 where nothing varies and nothing differs."""
        if not self.deviation > 0:
            return 1.0 if self.value == at else math.nan if math.isnan(self.deviation) else 0.0
        return 2 * _tail(abs(self.value - at) / self.deviation, self.degrees)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the ends of the mean's interval."""
        reach = _quantile(0.5 + level / 2, self.degrees) * self.deviation
        return self.value - reach, self.value + reach

    def power(self, difference: float, alpha: float = 0.05) -> float:
        """Return the chance of p below `alpha` where the true mean is `difference`."""
        if not self.deviation > 0:
            return float(difference != 0)
        return _power(difference / self.deviation, self.degrees, alpha)

    def detectable(self, alpha: float = 0.05, power: float = POWER) -> float:
        """Return the least true mean that is told from 0 with this power."""
        low, high = 0.0, self.deviation
        while self.power(high, alpha) < power:
            low, high = high, 2 * high
            if not math.isfinite(high) or high <= 0:
                return math.nan
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if self.power(middle, alpha) >= power else (middle, high)
        return high

    def images_to_tell(self, num_images: int, alpha: float = 0.05, power: float = POWER) -> int | None:
        """Return about how many images these seeds need to tell the mean seen from 0; None where seeds alone forbid it."""
        low, high = num_images, MOST_IMAGES
        if self._on_images(high / num_images).power(self.value, alpha) < power:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            enough = self._on_images(middle / num_images).power(self.value, alpha) >= power
            low, high = (low, middle) if enough else (middle, high)
        return high

    def seeds_to_tell(self, alpha: float = 0.05, power: float = POWER) -> int | None:
        """Return about how many seeds on these images are needed to tell the mean seen from 0; None where images forbid it."""
        if self.num_seeds < 2:
            return None
        for count in range(self.num_seeds, MOST_SEEDS + 1):
            more = Combined(self.value, self.residual, self.shared, self.between, count, self.most_degrees)
            if more.power(self.value, alpha) >= power:
                return count
        return None

    def _on_images(self, factor: float) -> Combined:
        """Return the same on `factor` times as many images."""
        own = (self.between or 0.0) ** 2
        residual = own + (self.residual - own) / factor
        return Combined(self.value, residual, self.shared / factor, self.between, self.num_seeds, self.most_degrees * factor)


def combine(values_S: NDArray[Any], influences_SU: NDArray[Any], most_degrees: float = math.inf) -> Combined:
    """Return the mean of a figure over seeds, with what seeds and what images contribute to its error.

    `influences_SU` holds what each unit adds to the error of each seed's figure, 0 where that seed did not see it: the products
    of two rows sum to the covariance of two seeds' figures. Seeds and images are crossed, as readers and cases are in Obuchowski
    and Rockette 1995 (https://doi.org/10.1080/03610919508813243), with Hillis' degrees of freedom; unlike theirs, the variance
    between seeds is never taken below what the images alone would cause, since that of few seeds often falls below it by luck.
    Raises ValueError for no seed.
    """
    values_S, influences_SU = np.asarray(values_S, np.float64), np.asarray(influences_SU, np.float64)
    num_seeds = len(values_S)
    if not num_seeds or influences_SU.ndim != 2 or len(influences_SU) != num_seeds:
        raise ValueError(f"{num_seeds} values with influences of shape {influences_SU.shape}")
    covariance_SS = influences_SU @ influences_SU.T
    own = float(np.trace(covariance_SS)) / num_seeds
    if num_seeds == 1:
        return Combined(float(values_S[0]), own, 0.0, None, 1, most_degrees)
    shared = max(0.0, (float(covariance_SS.sum()) - num_seeds * own) / (num_seeds * (num_seeds - 1)))
    by_images = max(0.0, own - shared)
    seen = float(values_S.var(ddof=1))
    residual = max(seen, by_images) if math.isfinite(own) else math.nan
    return Combined(float(values_S.mean()), residual, shared, math.sqrt(max(0.0, seen - by_images)), num_seeds, most_degrees)


def widened(value: float, low: float, high: float, spread: float, num_seeds: int, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of an interval over images and seeds, from one over images and the deviation between seeds.

    The images' error counts as shared by all seeds, which it is at most. Satterthwaite's degrees of freedom (1946,
    https://doi.org/10.2307/3002019). Raises ValueError for fewer than two seeds, whose deviation cannot be known.
    """
    if num_seeds < 2:
        raise ValueError(f"{num_seeds} seeds")
    z, by_seeds = _quantile(0.5 + level / 2, math.inf), spread**2 / num_seeds
    ends = []
    for sign, end in ((-1, low), (1, high)):
        by_images = ((end - value) / z) ** 2
        degrees = (num_seeds - 1) * ((by_images + by_seeds) / by_seeds) ** 2 if by_seeds else math.inf
        ends.append(value + sign * _quantile(0.5 + level / 2, degrees) * math.sqrt(by_images + by_seeds))
    return ends[0], ends[1]


def _tail(score: float, degrees: float) -> float:
    from scipy.special import ndtr, stdtr

    return float(ndtr(-score) if math.isinf(degrees) else stdtr(degrees, -score))


def _quantile(share: float, degrees: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(share) if math.isinf(degrees) else stdtrit(degrees, share))


def _power(shift: float, degrees: float, alpha: float) -> float:
    """Return the chance that a t statistic with this noncentrality lies beyond the two-sided critical value."""
    from scipy.special import nctdtr, ndtr

    critical, shift = _quantile(1 - alpha / 2, degrees), abs(shift)
    if math.isinf(degrees) or degrees > 1e6 or shift > 35:
        return float(ndtr(shift - critical) + ndtr(-shift - critical))
    return 1.0 - float(nctdtr(degrees, shift, critical)) + float(nctdtr(degrees, shift, -critical))
