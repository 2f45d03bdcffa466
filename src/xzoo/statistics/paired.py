"""Two contenders on the same images: exact test, many tests at once, and the difference with its interval."""

# N = images

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.statistics.intervals import wilson


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Return the two-sided p for `only_a` images that A alone got right and `only_b` that B alone got right.

    McNemar 1947 (https://doi.org/10.1007/BF02295996) with the binomial distribution in place of chi square: twice the smaller
    tail of Binomial(only_a + only_b, 1/2), at most 1. Raises ValueError for negative counts.
    """
    if min(only_a, only_b) < 0:
        raise ValueError(f"counts of {only_a} and {only_b}")
    # Its whole room of distributions, scipy.stats, takes most of a second to import.
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def holm(ps: Sequence[float]) -> list[float]:
    """Return each p adjusted for having made all these tests, in the order given.

    Step-down procedure of Holm 1979 (https://www.jstor.org/stable/4615733); the family-wise error rate is held under any
    dependence.
    """
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = highest
    return adjusted


def newcombe_paired_difference(
    a_right_N: NDArray[Any], b_right_N: NDArray[Any], level: float = 0.95
) -> tuple[float, float, float]:
    """Return the share that A got right less the share that B got right, and the ends of its interval, in [-1, 1].

    Method 10 of Newcombe 1998 (https://doi.org/10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C): Wilson
    intervals of both shares, joined with a continuity-corrected phi coefficient. Raises ValueError unless both have the same
    length of at least one.
    """
    a, b = np.asarray(a_right_N, bool), np.asarray(b_right_N, bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"outcomes of shapes {a.shape} and {b.shape}")
    n, num_a, num_b = len(a), int(a.sum()), int(b.sum())
    phi = _phi(int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum()))
    share_a, share_b = num_a / n, num_b / n
    (low_a, high_a), (low_b, high_b) = wilson(num_a, n, level), wilson(num_b, n, level)
    difference = share_a - share_b
    below = _joined(share_a - low_a, high_b - share_b, phi)
    above = _joined(high_a - share_a, share_b - low_b, phi)
    return difference, difference - below, difference + above


def _joined(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(0.0, first * first - 2 * phi * first * second + second * second))


def _phi(both: int, only_a: int, only_b: int, neither: int) -> float:
    """Return the correlation of the two outcomes, moved towards 0 by n/2 where it is positive (Newcombe's A, page 2639)."""
    n = both + only_a + only_b + neither
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if not margins:
        return 0.0
    product = both * neither - only_a * only_b
    return (max(product - n / 2, 0.0) if product > 0 else float(product)) / math.sqrt(margins)
