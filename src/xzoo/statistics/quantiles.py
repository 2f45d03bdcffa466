"""Intervals for medians and other quantiles, free of any assumption about the distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def median_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Return the ends of the median's interval, two of the values; None where they are too few for the level (below 6 for 95%).

    The r-th smallest and r-th largest of n independent values hold the median with a chance of 1 - 2 P(Binomial(n, 1/2) < r), and
    r is the largest for which that is at least `level`. Thompson 1936 (https://doi.org/10.1214/aoms/1177732502).
    """
    ordered, n = sorted(values), len(values)
    tail, r = 0.5**n, 0
    while 2 * tail <= 1 - level and r < n // 2:
        r += 1
        tail += math.comb(n, r) * 0.5**n
    return (ordered[r - 1], ordered[n - r]) if r else None


def quantile_interval(groups: Sequence[Sequence[float]], share: float, level: float = 0.95) -> tuple[float | None, float | None]:
    """Return the ends of the interval of the quantile `share` of all values; an end that lies beyond them is None.

    Values of one group may depend on each other, groups may not. Woodruff 1952
    (https://doi.org/10.1080/01621459.1952.10483443): the standard error of the share of values below the quantile, here between
    groups and at least that of independent values, is carried back through the distribution; Student's t has one degree of
    freedom less than groups. Far out it holds less than it says where groups are few and alike within: measured 87% for p99 of 20
    groups of 50 that correlate by 1/2, 97% where they do not. Raises ValueError for fewer than two groups.
    """
    if len(groups) < 2:
        raise ValueError(f"{len(groups)} groups")
    from scipy.special import stdtrit

    values = np.concatenate([np.asarray(group, np.float64) for group in groups])
    quantile = np.quantile(values, share)
    excess = np.array([(np.asarray(group) <= quantile).sum() - share * len(group) for group in groups])
    between = len(groups) / (len(groups) - 1) * float((excess**2).sum()) / len(values) ** 2
    reach = float(stdtrit(len(groups) - 1, 0.5 + level / 2)) * math.sqrt(max(between, share * (1 - share) / len(values)))
    low, high = (float(np.quantile(values, place)) if 0 <= place <= 1 else None for place in (share - reach, share + reach))
    return low, high
