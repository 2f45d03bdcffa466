"""Reading learning curves: does the validation loss still fall, rest, or rise again?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xzoo.runs.result import EpochRecord, Measure

FEWEST = 5
"""Epochs a line is drawn through at least."""


@dataclass(frozen=True)
class Slope:
    """Change per epoch of a line through `n` epochs, its standard error, and the ends of its 95% t interval."""

    value: float
    error: float
    low: float
    high: float
    n: int


def slope(values: Sequence[float], first: int) -> Slope:
    """Return the ordinary least squares slope of the values from index `first` on, one per epoch.

    The interval takes the epochs' deviations from the line as independent; neighbouring epochs are not quite, so it is somewhat
    too narrow. Draper and Smith 1998, section 1.4. Raises ValueError for fewer than three values.
    """
    from scipy.special import stdtrit

    heights = [float(value) for value in values[first:]]
    n = len(heights)
    if n < 3:
        raise ValueError(f"a slope through {n} values")
    steps = [place - (n - 1) / 2 for place in range(n)]
    spread, middle = math.fsum(step * step for step in steps), math.fsum(heights) / n
    value = math.fsum(step * (height - middle) for step, height in zip(steps, heights, strict=True)) / spread
    rest = math.fsum((height - middle - value * step) ** 2 for step, height in zip(steps, heights, strict=True))
    error = math.sqrt(rest / (n - 2) / spread)
    half = float(stdtrit(n - 2, 0.975)) * error
    return Slope(value, error, value - half, value + half, n)


def read_fit(curves: Sequence[EpochRecord], last: int | None = None) -> Mapping[str, Any]:
    """Return `val_loss_slope` per epoch over the `last` epochs, the accuracy `gap` at the best epoch, and a `verdict`.

    `last` is 40% of the epochs, rounded up, and at least 5: epochs 31 to 50 of 50. The gap is the train less the validation
    accuracy where validation accuracy is best (of equals: the lower loss, then the earlier). The verdict is "overfitting" where
    the slope's interval lies above 0, "still learning" where it lies below, "settled" where it holds 0, and "too short to say"
    with fewer than 5 epochs of finite validation loss; slope and gap are None where they cannot be had.
    """
    best = _best(curves)
    gap = None if best is None or best.val_accuracy is None else best.train_accuracy - best.val_accuracy
    losses = [record.val_loss for record in curves if record.val_loss is not None and math.isfinite(record.val_loss)]
    if len(losses) < FEWEST:
        return {"val_loss_slope": None, "gap": gap, "verdict": "too short to say"}
    last = max(FEWEST, math.ceil(0.4 * len(losses))) if last is None else last
    line = slope(losses, max(0, len(losses) - last))
    verdict = "overfitting" if line.low > 0 else "still learning" if line.high < 0 else "settled"
    return {"val_loss_slope": asdict(Measure(line.value, line.low, line.high, line.n)), "gap": gap, "verdict": verdict}


def _best(curves: Sequence[EpochRecord]) -> EpochRecord | None:
    judged = [record for record in curves if record.val_accuracy is not None]
    return max(judged, key=lambda record: (record.val_accuracy, -_loss(record), -record.epoch), default=None)


def _loss(record: EpochRecord) -> float:
    return math.inf if record.val_loss is None or math.isnan(record.val_loss) else record.val_loss
