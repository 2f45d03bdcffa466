"""How much better a network is on the images it learnt from than on others of the same source."""

# N = images

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.compare.probabilities import Answers
from xzoo.evaluate.scores import SMALLEST
from xzoo.runs.result import Measure
from xzoo.statistics.intervals import wilson


def gaps(train: Answers, val: Answers) -> dict[str, Any]:
    """Return train less validation accuracy, and validation less train loss, of the weights that were kept, with 95% intervals.

    `accuracy_gap` has Newcombe's interval for two independent shares (1998, method 10,
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I), and `loss_gap` Welch's (1947,
    https://doi.org/10.1093/biomet/34.1-2.28). Where patients are known they are what varies, and an interval of shares is never
    narrower than Newcombe's. None where a split holds no image.
    """
    if not len(train.labels_N) or not len(val.labels_N):
        return {"accuracy_gap": None, "loss_gap": None}
    right = [(one.chances_NK.argmax(1) == one.labels_N).astype(np.float64) for one in (train, val)]
    losses = [_losses(one) for one in (train, val)]
    accuracy = _difference(right[0], right[1], train.groups_N, val.groups_N)
    low, high = _newcombe(right[0], right[1])
    if train.groups_N is not None:
        low, high = min(low, accuracy.low or low), max(high, accuracy.high or high)
    loss = _difference(losses[1], losses[0], val.groups_N, train.groups_N)
    return {"accuracy_gap": asdict(Measure(accuracy.value, low, high, len(val.labels_N))), "loss_gap": asdict(loss)}


def variance(values_N: NDArray[np.float64], groups_N: NDArray[Any] | None) -> tuple[float, int]:
    """Return the squared standard error of a mean over images, or over patients' images, and how many units vary."""
    away_N = values_N - values_N.mean()
    sums_G = away_N if groups_N is None else np.bincount(np.unique(groups_N, return_inverse=True)[1], away_N)
    num_units = len(sums_G)
    return float((sums_G**2).sum()) * num_units / max(num_units - 1, 1) / len(values_N) ** 2, num_units


def _difference(
    first_N: NDArray[np.float64],
    second_N: NDArray[np.float64],
    groups_first: NDArray[Any] | None,
    groups_second: NDArray[Any] | None,
) -> Measure:
    from scipy.special import stdtrit

    parts = [variance(first_N, groups_first), variance(second_N, groups_second)]
    total = sum(part for part, _ in parts)
    shares = [part**2 / max(units - 1, 1) for part, units in parts]
    reach = float(stdtrit(total**2 / sum(shares) if sum(shares) else 1.0, 0.975)) * math.sqrt(total)
    value = float(first_N.mean() - second_N.mean())
    return Measure(value, value - reach, value + reach, min(len(first_N), len(second_N)))


def _newcombe(first_N: NDArray[np.float64], second_N: NDArray[np.float64]) -> tuple[float, float]:
    a, b = float(first_N.mean()), float(second_N.mean())
    (low_a, high_a), (low_b, high_b) = (wilson(int(each_N.sum()), len(each_N)) for each_N in (first_N, second_N))
    return a - b - math.hypot(a - low_a, high_b - b), a - b + math.hypot(high_a - a, b - low_b)


def _losses(one: Answers) -> NDArray[np.float64]:
    return np.asarray(-np.log(np.clip(one.chances_NK[np.arange(len(one.labels_N)), one.labels_N], SMALLEST, 1.0)))
