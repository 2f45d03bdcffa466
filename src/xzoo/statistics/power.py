"""What a number of images can show: the paired test's power, the least difference it finds, and how many would be needed."""

# M = numbers of disagreements

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

POWER = 0.8
MOST_IMAGES = 10_000_000
"""More than this many images are not counted."""
_TAIL = 9.0
"""Standard deviations of the number of disagreements beyond which their chance counts as 0."""


def mcnemar_power(n: int, disagreement: float, difference: float, alpha: float = 0.05) -> float:
    """Return the chance that the exact McNemar test on `n` images has p below `alpha`.

    `disagreement` is the share of images that one contender alone gets right, `difference` by how much A's share of these is
    larger. Summed over every number of disagreements (unconditional power, Suissa and Shuster 1991,
    https://doi.org/10.2307/2532136). Raises ValueError unless |difference| <= disagreement <= 1.
    """
    if not abs(difference) <= disagreement <= 1 or n < 0:
        raise ValueError(f"a difference of {difference} among {disagreement} disagreements of {n} images")
    if disagreement == 0:
        return 0.0
    from scipy.special import bdtr

    num_M, chances_M = _binomial(n, disagreement)
    critical_M = _critical(num_M, alpha)
    share = 0.5 + difference / (2 * disagreement)
    can_M = critical_M >= 0
    safe_M = np.where(can_M, critical_M, 0)
    below_M, above_M = bdtr(safe_M, num_M, share), bdtr(safe_M, num_M, 1 - share)
    return float((chances_M * np.where(can_M, below_M + above_M, 0.0)).sum())


def detectable_difference(n: int, disagreement: float, alpha: float = 0.05, power: float = POWER) -> float | None:
    """Return the least true difference in accuracy that the exact McNemar test on `n` images finds with this power.

    Contenders that disagree less than they differ are impossible, so `disagreement` grows with the difference where it must.
    None where even a difference of 1 would not be found.
    """
    if mcnemar_power(n, 1.0, 1.0, alpha) < power:
        return None
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        found = mcnemar_power(n, max(disagreement, middle), middle, alpha)
        low, high = (low, middle) if found >= power else (middle, high)
    return high


def images_to_tell(disagreement: float, difference: float, alpha: float = 0.05, power: float = POWER) -> int | None:
    """Return about how many images the exact McNemar test needs to find this difference; None for more than `MOST_IMAGES`.

    The power grows with n but for small steps of the discrete test, through which bisection finds one of the crossings.
    """
    if not difference or mcnemar_power(MOST_IMAGES, disagreement, difference, alpha) < power:
        return None
    low, high = 0, MOST_IMAGES
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if mcnemar_power(middle, disagreement, difference, alpha) >= power else (middle, high)
    return high


def images_to_equate(
    disagreement: float, difference: float, margin: float, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """Return about how many images two one-sided tests need to show this difference to lie within the margin, or None.

    From the normal distribution, with at least as much disagreement as the margin's own null hypothesis has (Tango 1998): twice
    the variance counts where both sides bind. None where the difference is not inside the margin, or for more than `MOST_IMAGES`.
    """
    from scipy.special import ndtr, ndtri

    room, variance = margin - abs(difference), max(disagreement, margin) - difference**2
    if room <= 0:
        return None
    critical = float(ndtri(1 - alpha))

    def found(n: float) -> float:
        near, far = (side * math.sqrt(n / variance) - critical for side in (room, margin + abs(difference)))
        return float(ndtr(near) + ndtr(far) - 1)

    low, high = 0, MOST_IMAGES
    if found(high) < power:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high


def _binomial(n: int, chance: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the counts that are not all but impossible, and their chances."""
    from scipy.special import gammaln

    reach = _TAIL * math.sqrt(n * chance * (1 - chance)) + _TAIL
    counts = np.arange(max(0, math.floor(n * chance - reach)), min(n, math.ceil(n * chance + reach)) + 1)
    if chance == 1:
        return np.array([n]), np.ones(1)
    logs = gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)
    return counts, np.exp(logs + counts * math.log(chance) + (n - counts) * math.log1p(-chance))


def _critical(num_M: NDArray[np.int64], alpha: float) -> NDArray[np.int64]:
    """Return the most that the smaller count may be for p < alpha, for each number of disagreements; -1 where none is enough."""
    from scipy.special import bdtr, ndtri

    guess_M = np.floor(num_M / 2 + float(ndtri(alpha / 2)) * np.sqrt(num_M) / 2).astype(np.int64)
    best_M = np.full(len(num_M), -1)
    for offset in range(-3, 4):
        trial_M = np.clip(guess_M + offset, 0, num_M // 2)
        best_M = np.where(2 * bdtr(trial_M, num_M, 0.5) < alpha, np.maximum(best_M, trial_M), best_M)
    return best_M
