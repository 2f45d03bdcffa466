"""Shares of images with their intervals, counted by patient where patients are known."""

# N = images, R = resamples

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.runs.result import Measure
from xzoo.statistics.intervals import wilson
from xzoo.statistics.resampling import expanded, interval, resample_counts

Flags = NDArray[np.bool_]


def share(
    right_N: Flags, among_N: Flags, drawn: Sequence[NDArray[np.floating[Any]]] = (), groups_N: NDArray[Any] | None = None
) -> Measure:
    """Return the share of `among_N` that is right, with Wilson's interval; `drawn` shares of resampled patients widen it."""
    successes, n = int((right_N & among_N).sum()), int(among_N.sum())
    low, high = wilson(successes, n)
    if drawn:
        # Wilson counts images as independent, the bootstrap of a share of 0 or 1 has no width: the wider of the two is kept.
        drawn_low, drawn_high = interval(np.concatenate(drawn), expanded(num_patients(among_N, groups_N)))
        low, high = float(np.fmin(low, drawn_low)), float(np.fmax(high, drawn_high))
    return Measure(successes / n, low, high, n)


def num_patients(among_N: Flags, groups_N: NDArray[Any] | None) -> int:
    """Return of how many patients these images are; without patients each is one of its own."""
    return int(among_N.sum()) if groups_N is None else len(np.unique(np.asarray(groups_N)[among_N]))


def shares(
    flags: Mapping[str, tuple[Flags, Flags]], groups_N: NDArray[Any] | None = None, *, seed: int = 0, num_resamples: int = 1000
) -> dict[str, Measure]:
    """Return the share of each name's pair (right, among), of which `among` holds at least one image."""
    drawn: dict[str, list[NDArray[np.floating[Any]]]] = {name: [] for name in flags}
    if groups_N is not None:
        for counts_RN in resample_counts(groups_N, groups_N, num_resamples=num_resamples, seed=seed):
            for name, (right_N, among_N) in flags.items():
                with np.errstate(invalid="ignore"):
                    drawn[name].append((counts_RN @ (right_N & among_N)) / (counts_RN @ among_N))
    return {name: share(right_N, among_N, drawn[name], groups_N) for name, (right_N, among_N) in flags.items()}
