"""Intervals for a share of successes, and for the mean of several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the score interval for `successes` out of `n`, both in [0, 1].

    Wilson 1927 (https://doi.org/10.1080/01621459.1927.10502953), as recommended for small n by Brown, Cai and DasGupta 2001.
    Raises ValueError unless 0 <= successes <= n, n >= 1 and 0 < level < 1.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} successes out of {n}")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    half = z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    scale = 1 + z * z / n
    # At the ends the formula is exact, and rounding must not leave 0 or 1.
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == n else (centre + half) / scale
    return low, high


def mean_of_shares(counts: Sequence[tuple[int, int]], level: float = 0.95) -> tuple[float, float]:
    """Return the ends of the interval for the mean of independent shares, each given as (successes, n): balanced accuracy.

    Wilson's intervals joined by the squares of their halves (Newcombe 2001, https://doi.org/10.1198/000313001317098112; Zou and
    Donner 2008, https://doi.org/10.1002/sim.2986). Unlike a bootstrap it has a width where all shares are 0 or 1. Raises
    ValueError for counts that `wilson` refuses, and for none.
    """
    if not counts:
        raise ValueError("no shares")
    shares = [successes / n if n else math.nan for successes, n in counts]
    ends = [wilson(successes, n, level) for successes, n in counts]
    mean = sum(shares) / len(shares)
    below = math.sqrt(sum((share - low) ** 2 for share, (low, _) in zip(shares, ends, strict=True))) / len(shares)
    above = math.sqrt(sum((high - share) ** 2 for share, (_, high) in zip(shares, ends, strict=True))) / len(shares)
    return max(0.0, mean - below), min(1.0, mean + above)
