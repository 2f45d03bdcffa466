"""Reading learning curves: does the validation loss still fall, rest, or rise again, by more than images and epochs make it?"""

# E = epochs, N = validation images

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.compare.gap import variance
from xzoo.runs.result import EpochRecord, Measure
from xzoo.statistics.trend import slope_of_each, trend

FEWEST = 5
"""Epochs a line is drawn through at least."""

MARGIN = 0.03
"""A change of the validation loss by less than this share of ln K, 0.02 nats for two classes, is none to act on."""

OVERFITTING, LEARNING, SETTLED = "overfitting", "still learning", "settled"
UNCLEAR, SHORT = "cannot tell", "too short to say"

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Watched:
    """The validation loss of every image after every epoch (E,N), the images' patients (N), and the number of classes."""

    losses_EN: Floats
    groups_N: NDArray[Any] | None = None
    num_classes: int = 2


def read_fit(curves: Sequence[EpochRecord], seen: Watched | None = None, last: int | None = None) -> Mapping[str, Any]:
    """Return what the validation loss did over the `last` epochs and since its best, the accuracy `gap`, and a `verdict`.

    `last` is 40% of the epochs, rounded up, and at least 5: epochs 31 to 50 of 50. `val_loss_slope` is the line through them; its
    interval holds the unrest of the epochs, neighbours being alike (statistics/trend.py), and with `seen` that of the images,
    whose own slopes have the line's as their mean. `rise` is the loss at the end less that where it was best, which other images
    chose. `gap` is the train less the validation accuracy where validation accuracy is best (of equals: the lower loss, then the
    earlier).

    The verdict goes by the line's change over its epochs: "overfitting" where its interval lies above 0 and it is `MARGIN` ln K
    or more, or where `rise` is so; "still learning" where it is so below 0; "settled" where the interval holds no such change;
    else "cannot tell". It is "too short to say" with fewer than 5 epochs of finite validation loss. A learning rate that ends at
    0 brings every curve to rest: "settled" says nothing of what more epochs would do under a schedule made for them.
    """
    best = _best(curves)
    gap = None if best is None or best.val_accuracy is None else best.train_accuracy - best.val_accuracy
    losses = [record.val_loss for record in curves if record.val_loss is not None and math.isfinite(record.val_loss)]
    if len(losses) < FEWEST:
        return {"val_loss_slope": None, "gap": gap, "verdict": SHORT, "change": None, "rise": None}
    last = max(FEWEST, math.ceil(0.4 * len(losses))) if last is None else last
    first = max(0, len(losses) - last)
    whole = seen if seen is not None and len(seen.losses_EN) == len(losses) and seen.losses_EN.shape[1] > 1 else None
    by_images = 0.0 if whole is None else variance(slope_of_each(whole.losses_EN[first:].T), whole.groups_N)[0]
    line = trend(losses[first:], by_images)
    span = line.n - 1
    change = Measure(span * line.value, span * line.low, span * line.high, line.n)
    rise = None if whole is None else _rise(whole)
    by_epochs = math.sqrt(max(0.0, line.error**2 - by_images))
    return {
        "val_loss_slope": asdict(Measure(line.value, line.low, line.high, line.n)),
        "gap": gap,
        "verdict": judged(change, rise, 2 if seen is None else seen.num_classes),
        "change": asdict(change),
        "rise": None if rise is None else asdict(rise),
        "error": {"images": math.sqrt(by_images) if whole is not None else None, "epochs": by_epochs},
        "best_loss_epoch": int(np.argmin(losses)),
        "accuracy_change": _accuracy_change(curves),
    }


def judged(change: Measure, rise: Measure | None, num_classes: int) -> str:
    """Return the verdict on a change of validation loss over its last epochs and its rise since it was lowest."""
    margin = MARGIN * math.log(num_classes)
    low, high = (math.nan if end is None else end for end in (change.low, change.high))
    if (low > 0 and change.value >= margin) or (rise is not None and (rise.low or 0.0) > 0 and rise.value >= margin):
        return OVERFITTING
    if high < 0 and change.value <= -margin:
        return LEARNING
    return SETTLED if -margin < low and high < margin else UNCLEAR


def _rise(seen: Watched) -> Measure:
    """Return the mean loss of the last tenth of the epochs less that of the best stretch as long, which other images chose.

    The images are dealt into two halves, patients whole; each is judged at the stretch that is best for the other, so that
    choosing does not flatter it. The interval holds the images, and the unrest of epochs, with Bonferroni's correction for as
    many stretches as could have been chosen by that unrest.
    """
    losses_EN, num_epochs = seen.losses_EN, len(seen.losses_EN)
    length = max(3, math.ceil(0.1 * num_epochs))
    sums_EN = np.cumsum(np.vstack([np.zeros(losses_EN.shape[1]), losses_EN]), axis=0)
    stretches_TN = (sums_EN[length:] - sums_EN[:-length]) / length
    half_N = _halves(seen)
    lost_N = np.empty(losses_EN.shape[1])
    for inside_N in (half_N, ~half_N):
        chosen = int(stretches_TN[:, ~inside_N].mean(1).argmin())
        lost_N[inside_N] = stretches_TN[-1, inside_N] - stretches_TN[chosen, inside_N]
    value, (by_images, num_units) = float(lost_N.mean()), variance(lost_N, seen.groups_N)
    tail_E = losses_EN[num_epochs // 2 :].mean(1)
    unrest = float((np.diff(tail_E) ** 2).mean()) / 2 if len(tail_E) > 1 else 0.0
    from scipy.special import ndtri, stdtrit

    reach = float(ndtri(1 - 0.025 / max(1.0, num_epochs / length))) * math.sqrt(2 * unrest / length)
    half = math.hypot(float(stdtrit(max(num_units - 1, 1), 0.975)) * math.sqrt(by_images), reach)
    return Measure(value, value - half, value + half, len(lost_N))


def _halves(seen: Watched) -> NDArray[np.bool_]:
    """Return which images are of the first half: every other patient, in a drawn order."""
    names_N = np.arange(seen.losses_EN.shape[1]) if seen.groups_N is None else np.unique(seen.groups_N, return_inverse=True)[1]
    order_G = np.random.default_rng(0).permutation(int(names_N.max()) + 1)
    return np.asarray(order_G[names_N] % 2 == 0)


def _accuracy_change(curves: Sequence[EpochRecord]) -> float | None:
    """Return the mean validation accuracy of the last fifth of the epochs less that of the three around the lowest loss."""
    known = [(record.val_loss, record.val_accuracy) for record in curves]
    pairs = [(loss, right) for loss, right in known if loss is not None and right is not None and math.isfinite(loss)]
    if not pairs:
        return None
    place = min(range(len(pairs)), key=lambda epoch: pairs[epoch][0])
    around = [right for _, right in pairs[max(0, place - 1) : place + 2]]
    ending = [right for _, right in pairs[-max(1, len(pairs) // 5) :]]
    return math.fsum(ending) / len(ending) - math.fsum(around) / len(around)


def _best(curves: Sequence[EpochRecord]) -> EpochRecord | None:
    judged = [record for record in curves if record.val_accuracy is not None]
    return max(judged, key=lambda record: (record.val_accuracy, -_loss(record), -record.epoch), default=None)


def _loss(record: EpochRecord) -> float:
    return math.inf if record.val_loss is None or math.isnan(record.val_loss) else record.val_loss
