"""Several trainings judged on images: what varies between seeds, what varies between images, and both together."""

# S = seeds, U = units that vary independently: images, or patients; Q = quantiles

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.statistics.power import MOST_IMAGES, POWER

MOST_SEEDS = 1000
"""More than this many seeds are not counted."""
_NUM_QUANTILES = 400


@dataclass(frozen=True)
class Combined:
    """A mean over seeds and what it errs by.

    `shared` is the variance of the part that all seeds have in common, which more seeds on the same images do not lessen; of one
    seed all of it. `residual` is the variance of one seed's value beside that, and `between` the deviation between seeds beyond
    what the images explain: None of one seed. `most_degrees` are those of the images' part, one less than the patients where
    these are counted.
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

    def reach(self, tail: float) -> float:
        """Return how far the mean errs to one side with a chance of `tail`, at most a half.

        The reaches of both parts, each with its own degrees of freedom, joined as squares (Howe 1974, JASA 69:789).
        Satterthwaite's and Hillis' degrees for the sum are too many where seeds are two or three: integrated, 5% become up to
        12.8% and 7.7%.
        """
        of_images = _quantile(tail, self.most_degrees) ** 2 * self.shared
        of_seeds = _quantile(tail, self.num_seeds - 1) ** 2 * self.residual / self.num_seeds if self.residual else 0.0
        return math.sqrt(of_images + of_seeds)

    def tail(self, distance: float) -> float:
        """Return the chance that the mean errs by more than this distance to one side; NaN where the error is not known."""
        if distance < 0:
            return 1 - self.tail(-distance)
        if not self.deviation > 0:
            return self.deviation if math.isnan(self.deviation) else 0.5 * (distance == 0)
        if not self.residual:
            return _tail(distance / self.deviation, self.most_degrees)
        if not self.shared:
            return _tail(distance / self.deviation, self.num_seeds - 1)
        low, high = -690.0, math.log(0.5)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if self.reach(math.exp(middle)) < distance else (middle, high)
        return math.exp(high)

    def p(self) -> float:
        """Return the two-sided p of "the true mean is 0"; 1 where nothing varies and nothing differs."""
        return 2 * min(0.5, self.tail(abs(self.value))) if not math.isnan(self.deviation) else math.nan

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the ends of the mean's interval."""
        reach = self.reach(0.5 - level / 2)
        return self.value - reach, self.value + reach

    def power(self, difference: float, alpha: float = 0.05) -> float:
        """Return the chance of p below `alpha` where the true mean is `difference` and the errors are as estimated."""
        if not self.deviation > 0:
            return float(difference != 0)
        if not self.residual or not self.shared:
            degrees = self.most_degrees if not self.residual else self.num_seeds - 1
            return _power(difference / self.deviation, degrees, alpha)
        from scipy.special import ndtr

        seen_Q = self.residual * _spreads(self.num_seeds - 1) / self.num_seeds
        of_images, of_seeds = (_quantile(alpha / 2, degrees) for degrees in (self.most_degrees, self.num_seeds - 1))
        reach_Q = np.sqrt(of_images**2 * self.shared + of_seeds**2 * seen_Q)
        ends_Q = ndtr((difference - reach_Q) / self.deviation) + ndtr((-difference - reach_Q) / self.deviation)
        return float(ends_Q.mean())

    def detectable(self, alpha: float = 0.05, power: float = POWER) -> float:
        """Return the least true mean that is told from 0 with this power; NaN where the error is not known."""
        low, high = 0.0, self.deviation
        if not high > 0:
            return high
        while self.power(high, alpha) < power:
            low, high = high, 2 * high
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if self.power(middle, alpha) >= power else (middle, high)
        return high

    def images_to_tell(self, num_images: int, alpha: float = 0.05, power: float = POWER) -> int | None:
        """Return about how many images these seeds need to tell the mean seen from 0; None where seeds alone forbid it."""
        low, high = num_images, MOST_IMAGES
        if self._on_images(high / num_images).power(self.value, alpha) < power:
            return None
        while high - low > max(1, low // 200):
            middle = (low + high) // 2
            enough = self._on_images(middle / num_images).power(self.value, alpha) >= power
            low, high = (low, middle) if enough else (middle, high)
        return high

    def seeds_to_tell(self, alpha: float = 0.05, power: float = POWER) -> int | None:
        """Return about how many seeds on these images are needed to tell the mean seen from 0; None where images forbid it."""
        if self.num_seeds < 2 or replace(self, num_seeds=MOST_SEEDS).power(self.value, alpha) < power:
            return None
        low, high = self.num_seeds, MOST_SEEDS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if replace(self, num_seeds=middle).power(self.value, alpha) >= power else (middle, high)
        return high

    def _on_images(self, factor: float) -> Combined:
        """Return the same on `factor` times as many images."""
        own = (self.between or 0.0) ** 2
        residual = own + max(0.0, self.residual - own) / factor
        return replace(self, residual=residual, shared=self.shared / factor, most_degrees=self.most_degrees * factor)


def combine(values_S: NDArray[Any], influences_SU: NDArray[Any], most_degrees: float = math.inf) -> Combined:
    """Return the mean of a figure over seeds, with what seeds and what images contribute to its error.

    `influences_SU` holds what each unit adds to the error of each seed's figure, 0 where that seed did not see it: the products
    of two rows sum to the covariance of two seeds' figures. Seeds and images are crossed, as readers and cases are in Obuchowski
    and Rockette 1995 (https://doi.org/10.1080/03610919508813243); unlike theirs, the variance between seeds is never taken below
    what the images alone would cause, since that of few seeds often falls below it by luck. Raises ValueError for no seed.
    """
    values_S, influences_SU = np.asarray(values_S, np.float64), np.asarray(influences_SU, np.float64)
    num_seeds = len(values_S)
    if not num_seeds or influences_SU.ndim != 2 or len(influences_SU) != num_seeds:
        raise ValueError(f"{num_seeds} values with influences of shape {influences_SU.shape}")
    covariance_SS = influences_SU @ influences_SU.T
    own = float(np.trace(covariance_SS)) / num_seeds
    if num_seeds == 1:
        return Combined(float(values_S[0]), 0.0, own, None, 1, most_degrees)
    shared = max(0.0, (float(covariance_SS.sum()) - num_seeds * own) / (num_seeds * (num_seeds - 1)))
    by_images = max(0.0, own - shared)
    seen = float(values_S.var(ddof=1))
    residual = max(seen, by_images) if math.isfinite(own) else math.nan
    return Combined(float(values_S.mean()), residual, shared, math.sqrt(max(0.0, seen - by_images)), num_seeds, most_degrees)


def widened(value: float, low: float, high: float, spread: float, num_seeds: int, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of an interval over images and seeds, from one over images and the deviation between seeds.

    The images' error counts as shared by all seeds, which it is at most; both reaches are joined as squares (`Combined.reach`).
    Raises ValueError for fewer than two seeds, whose deviation cannot be known.
    """
    if num_seeds < 2:
        raise ValueError(f"{num_seeds} seeds")
    of_seeds = _quantile(0.5 - level / 2, num_seeds - 1) * spread / math.sqrt(num_seeds)
    return value - math.hypot(value - low, of_seeds), value + math.hypot(high - value, of_seeds)


@functools.cache
def _spreads(degrees: int) -> NDArray[np.float64]:
    """Return quantiles (Q) of the ratio of an estimated to a true variance."""
    from scipy.special import chdtri

    return np.asarray(chdtri(degrees, (np.arange(_NUM_QUANTILES) + 0.5) / _NUM_QUANTILES) / degrees)


def _tail(score: float, degrees: float) -> float:
    from scipy.special import ndtr, stdtr

    return float(ndtr(-score) if math.isinf(degrees) else stdtr(degrees, -score))


def _quantile(tail: float, degrees: float) -> float:
    """Return the value that Student's t exceeds with a chance of `tail`; infinite degrees give the normal distribution's."""
    from scipy.special import ndtri, stdtrit

    return -float(ndtri(tail) if math.isinf(degrees) else stdtrit(degrees, tail))


def _power(shift: float, degrees: float, alpha: float) -> float:
    """Return the chance that a t statistic with this noncentrality lies beyond the two-sided critical value."""
    from scipy.special import chdtr, nctdtr, ndtr

    critical, shift = _quantile(alpha / 2, degrees), abs(shift)
    if math.isinf(degrees) or degrees > 1e6:
        return float(ndtr(shift - critical) + ndtr(-shift - critical))
    if shift > 30:
        # The noncentral distribution is lost to underflow, and beside such a shift only the deviation's own error counts.
        return float(chdtr(degrees, degrees * (shift / critical) ** 2))
    far_side = float(nctdtr(degrees, shift, -critical)) if shift < 6 else 0.0  # scipy gives NaN for what is as good as 0
    return 1.0 - float(nctdtr(degrees, shift, critical)) + far_side
