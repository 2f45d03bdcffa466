"""Whether two contenders are alike to within a stated margin: two one-sided tests (TOST)."""

from __future__ import annotations

import math
from collections.abc import Callable


def tost(difference: float, margin: float, tail: Callable[[float], float]) -> float:
    """Return the p of "they differ by `margin` or more": the larger of two one-sided tests.

    `tail` gives the chance that the difference errs by more than a distance to one side. Schuirmann 1987
    (https://doi.org/10.1007/BF01068419). Raises ValueError for a margin that is not above 0.
    """
    _check(margin)
    return max(tail(margin + difference), tail(margin - difference))


def tost_paired(only_a: int, only_b: int, n: int, margin: float) -> float:
    """Return the p of "their accuracies differ by `margin` or more", for counts of images that one of them alone got right.

    The score test of Tango 1998 (https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B), whose
    variance is that of the null hypothesis: no disagreement on few images proves nothing. Raises ValueError for impossible counts
    or margins.
    """
    if min(only_a, only_b) < 0 or only_a + only_b > n or n < 1:
        raise ValueError(f"{only_a} and {only_b} disagreements among {n} images")
    _check(margin)
    from scipy.special import ndtr

    below, above = tango(only_a, only_b, n, -margin), tango(only_a, only_b, n, margin)
    return max(float(ndtr(-below)), float(ndtr(above)))


def tango(only_a: int, only_b: int, n: int, difference: float) -> float:
    """Return Tango's score, standard normal where A's accuracy less B's is `difference`; positive where more was seen.

    The chance that B alone is right is its most likely value under that difference (Tango 1998, equation 4).
    """
    linear = -only_a - only_b + (2 * n - only_a + only_b) * difference
    constant = -only_b * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear * linear - 8 * n * constant))
    chance_b = (root - linear) / (4 * n)
    variance = n * (2 * chance_b + difference * (1 - difference))
    excess = only_a - only_b - n * difference
    return excess / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, excess) if excess else 0.0


def _check(margin: float) -> None:
    if not margin > 0:
        raise ValueError(f"a margin of {margin}")
