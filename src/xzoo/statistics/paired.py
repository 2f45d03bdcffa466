"""Two contenders on the same images: exact tests, by image and by patient, and the difference with its interval."""

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


def mcnemar_clustered(right_a_N: NDArray[Any], right_b_N: NDArray[Any], groups_N: NDArray[Any]) -> float:
    """Return the exact two-sided p where the images of a group (a patient) may depend on each other.

    Under the null hypothesis A and B could change places in any patient, so every patient's difference in right answers has its
    sign by a coin; p is the share of all sign patterns whose sum is at least as far from 0 as that seen. It has the statistic of
    Obuchowski 1998 (https://doi.org/10.1002/(SICI)1097-0258(19980715)17:13<1495::AID-SIM863>3.0.CO;2-I) with its permutation
    distribution (Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses, section 3.2), and with one image for each
    patient it is `mcnemar_exact`. Raises ValueError for outcomes of different lengths.
    """
    steps = np.abs(group_differences(right_a_N, right_b_N, groups_N))
    seen = abs(int(np.asarray(right_a_N, bool).sum()) - int(np.asarray(right_b_N, bool).sum()))
    chances = np.ones(1)
    for step, count in zip(*np.unique(steps[steps > 0], return_counts=True), strict=True):
        chances = np.convolve(chances, _signed_sums(int(step), int(count)))
    reach = len(chances) // 2
    return min(1.0, 2 * float(chances[reach + seen :].sum())) if seen else 1.0


def group_differences(right_a_N: NDArray[Any], right_b_N: NDArray[Any], groups_N: NDArray[Any]) -> NDArray[np.int64]:
    """Return, for each group, how many more of its images A got right than B. Raises ValueError for different lengths."""
    a, b, groups_N = np.asarray(right_a_N, bool), np.asarray(right_b_N, bool), np.asarray(groups_N)
    if not a.shape == b.shape == groups_N.shape or a.ndim != 1:
        raise ValueError(f"outcomes of shapes {a.shape} and {b.shape} in groups of shape {groups_N.shape}")
    _, places_N = np.unique(groups_N, return_inverse=True)
    return np.bincount(places_N[a & ~b], minlength=places_N.max(initial=-1) + 1) - np.bincount(
        places_N[b & ~a], minlength=places_N.max(initial=-1) + 1
    )


def _signed_sums(step: int, count: int) -> NDArray[np.float64]:
    """Return the chances of every sum from -count * step to count * step of `count` steps of random sign."""
    from scipy.special import gammaln

    heads = np.arange(count + 1)
    chances = np.zeros(2 * count * step + 1)
    chances[:: 2 * step] = np.exp(gammaln(count + 1) - gammaln(heads + 1) - gammaln(count - heads + 1) - count * math.log(2))
    return chances


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
