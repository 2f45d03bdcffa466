"""Intervals by drawing the images, or the patients, again."""

# N = images, R = resamples, G = groups (patients)

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
_MANY_STRATA, _MOST_BLOCKS = 32, 1000
_LEAST_TAIL = 1e-9
"""Beyond any number of draws, and a normal quantile of it is finite."""


def bootstrap(
    statistic: Callable[[Indices], float],
    labels_N: NDArray[Any],
    groups_N: NDArray[Any] | None = None,
    *,
    num_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the ends of the percentile interval of `statistic`, which is given the indices of each resample.

    Resamples keep the number of images of each label (strata); with `groups_N` whole groups are drawn instead, so that images
    of one patient stay together. Values that are not finite are left out; both ends are NaN where none is left.
    Efron and Tibshirani 1993, chapters 8 and 13; the cluster bootstrap is Field and Welsh 2007
    (https://doi.org/10.1111/j.1467-9868.2007.00593.x).
    """
    draws = resamples(labels_N, groups_N, num_resamples=num_resamples, seed=seed)
    return interval(np.array([statistic(indices) for indices in draws]), level)


def interval(values_R: NDArray[np.floating[Any]], level: float = 0.95) -> tuple[float, float]:
    """Return the percentiles that hold the middle `level` of the finite values, or NaN twice where there is none."""
    finite = values_R[np.isfinite(values_R)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def expanded(num_units: int, level: float = 0.95) -> float:
    """Return the level whose percentiles hold `level` where so many units (patients) were drawn again; below 1.

    Few units vary less than what they are drawn from, by the root of (n - 1) / n, and by how much is estimated from as few: the
    expanded percentiles of Hesterberg 2015 (https://doi.org/10.1080/00031305.2015.1089789).
    """
    from scipy.special import ndtr, stdtrit

    if num_units < 2:
        return level
    reach = -float(stdtrit(num_units - 1, 0.5 - level / 2)) * math.sqrt(num_units / (num_units - 1))
    return 1 - 2 * max(_LEAST_TAIL, float(ndtr(-reach)))


def bca(
    value: float,
    drawn_R: NDArray[np.floating[Any]],
    left_out_J: NDArray[np.floating[Any]],
    strata_J: NDArray[Any],
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the ends of the bias-corrected and accelerated interval of a statistic, or NaN twice where no draw is finite.

    `drawn_R` are its values in resamples, `left_out_J` those without one block of a stratum each (`leave_out_counts`). Efron 1987
    (https://doi.org/10.1080/01621459.1987.10478410) for one stratum; the acceleration of several as in Davison and Hinkley 1997,
    equation 5.24. Resamples that equal the value count half below it; a value beyond all of them counts as half a draw inside.
    """
    from scipy.special import ndtr, ndtri

    finite_R = drawn_R[np.isfinite(drawn_R)].astype(np.float64)
    if not len(finite_R):
        return float("nan"), float("nan")
    alike_R = np.isclose(finite_R, value, rtol=1e-6, atol=1e-9)
    below = float(((finite_R < value) & ~alike_R).mean() + alike_R.mean() / 2)
    bias = float(ndtri(min(max(below, 0.5 / len(finite_R)), 1 - 0.5 / len(finite_R))))
    rate = _acceleration(left_out_J, strata_J)
    ends = [bias + float(ndtri(place)) for place in (0.5 - level / 2, 0.5 + level / 2)]
    low, high = np.quantile(finite_R, [float(ndtr(bias + end / max(1e-9, 1 - rate * end))) for end in ends])
    return float(low), float(high)


def leave_out_counts(
    labels_N: NDArray[Any], groups_N: NDArray[Any] | None = None, *, most: int = 200, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return weights of the images with one block left out (J,N) and the stratum of each block (J).

    Blocks are images of one label, or groups; a stratum of more than `most` is cut into that many blocks at random, which leaves
    the acceleration what it is but for its own noise. So are the strata of more than 32 labels, into few blocks each: the weights
    would else be as many as the images' squares. A stratum of one block is never left out.
    """
    rng = np.random.default_rng(seed)
    pools = _members(labels_N) if groups_N is None else [np.arange(len(np.unique(groups_N)))]
    most = most if len(pools) <= _MANY_STRATA else min(most, max(2, _MOST_BLOCKS // len(pools)))
    blocks = [
        (place, part)
        for place, pool in enumerate(pools)
        if len(pool) > 1
        for part in np.array_split(rng.permutation(pool), min(most, len(pool)))
    ]
    unit_N = np.arange(len(labels_N)) if groups_N is None else np.unique(groups_N, return_inverse=True)[1]
    counts_JN = np.ones((len(blocks), len(labels_N)), np.float32)
    for row_N, (_, part) in zip(counts_JN, blocks, strict=True):
        row_N[np.isin(unit_N, part)] = 0
    return counts_JN, np.array([place for place, _ in blocks], np.int64)


def _acceleration(left_out_J: NDArray[np.floating[Any]], strata_J: NDArray[Any]) -> float:
    cubes = squares = 0.0
    for stratum in np.unique(strata_J):
        values = left_out_J[(strata_J == stratum) & np.isfinite(left_out_J)].astype(np.float64)
        if len(values):
            influence = (len(values) - 1) * (values.mean() - values) / len(values)
            cubes, squares = cubes + float((influence**3).sum()), squares + float((influence**2).sum())
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def resamples(
    labels_N: NDArray[Any], groups_N: NDArray[Any] | None = None, *, num_resamples: int = 1000, seed: int = 0
) -> Iterator[Indices]:
    """Yield the image indices of each resample, in no particular order; see `bootstrap` for how they are drawn."""
    rng = np.random.default_rng(seed)
    pools = _members(labels_N if groups_N is None else groups_N)
    for _ in range(num_resamples):
        if groups_N is None:
            yield np.concatenate([pool[rng.integers(0, len(pool), len(pool))] for pool in pools])
        else:
            yield np.concatenate([pools[group] for group in rng.integers(0, len(pools), len(pools))])


def resample_counts(
    labels_N: NDArray[Any], groups_N: NDArray[Any] | None = None, *, num_resamples: int = 1000, seed: int = 0
) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of how often each image is in each resample (R,N), weights for statistics computed all at once.

    They are drawn as `resamples` draws them, from other random numbers; a block fits a processor's cache. Counts are whole
    numbers, which float32 holds exactly up to 16 million.
    """
    rng = np.random.default_rng(seed)
    pools = _members(labels_N if groups_N is None else groups_N)
    rows = max(1, 200_000 // max(1, len(labels_N)))
    for start in range(0, num_resamples, rows):
        count = min(rows, num_resamples - start)
        counts_RN = np.empty((count, len(labels_N)), np.float32)
        if groups_N is None:
            for pool in pools:
                counts_RN[:, pool] = _tally(rng, count, len(pool))
        else:
            counts_RN[:] = _tally(rng, count, len(pools))[:, np.unique(groups_N, return_inverse=True)[1]]
        yield counts_RN


def dealt(kinds_N: NDArray[Any], units_N: NDArray[Any], num_folds: int, random: np.random.Generator) -> Indices:
    """Return a fold for each image (N): units (patients) are dealt out in a drawn order, those of one kind one after the other.

    A unit's kind is that of its first image. There are no more folds than units.
    """
    _, first_U, place_N = np.unique(units_N, return_index=True, return_inverse=True)
    num_units = len(first_U)
    order_U = np.lexsort((random.permutation(num_units), kinds_N[first_U]))
    fold_U = np.empty(num_units, np.int64)
    fold_U[order_U] = np.arange(num_units) % min(num_folds, num_units)
    return np.asarray(fold_U[place_N])


def _tally(rng: np.random.Generator, rows: int, size: int) -> NDArray[np.int64]:
    """Return how often each of `size` things is drawn in `size` draws with replacement, in each row."""
    drawn = rng.integers(0, size, (rows, size)) + np.arange(0, rows * size, size)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)


def _members(names_N: NDArray[Any]) -> list[Indices]:
    """Return the indices of the images of each name."""
    _, inverse = np.unique(names_N, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    return [np.asarray(part, np.int64) for part in np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)]
