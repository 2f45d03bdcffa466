"""What a cell's probabilities are worth beside its answers: calibration, temperature, and thresholds chosen on validation."""

# N = images, K = classes

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.evaluate import scores
from xzoo.evaluate.calibration import calibration
from xzoo.evaluate.recalibration import scaled, temperature
from xzoo.evaluate.thresholds import Scores, operating_points
from xzoo.runs.result import CellResult


@dataclass(frozen=True, eq=False)
class Answers:
    """A split's probabilities (N,K), labels (N) and patients (N), None where they are not known."""

    chances_NK: NDArray[np.float64]
    labels_N: NDArray[np.int64]
    groups_N: NDArray[Any] | None = None


def judge(val: Answers, test: Answers, classes: Sequence[str], positive: str | None, *, seed: int = 0) -> dict[str, Any]:
    """Return `calibration` by split, with the `temperature` fitted to validation, and the `operating` points chosen there.

    Plain values, as a result holds them. A split without an image is None; there are no operating points where several classes
    name none as positive.
    """
    found: dict[str, Any] = {
        name: asdict(calibration(one.chances_NK, one.labels_N, classes, positive, groups_N=one.groups_N, seed=seed))
        if len(one.labels_N)
        else None
        for name, one in (("val", val), ("test", test))
    }
    found["temperature"] = _cooled(val, test, classes, positive, seed)
    return {"calibration": found, "operating": _points(val, test, classes, positive, seed)}


def over_seeds(cells: Sequence[CellResult], contender: str, rule: str) -> dict[str, float] | None:
    """Return the means over a contender's seeds of an operating point's test figures, or None where no seed has them.

    `threshold`, `accuracy`, `sensitivity` and `specificity` at it, `argmax`, the accuracy of the most probable class, and the
    calibration's `ece` and `ece_if_calibrated`.
    """
    rows = []
    for cell in cells:
        points = [one for one in cell.operating if one["rule"] == rule and one["threshold"] is not None and one["test"]]
        told = (cell.calibration or {}).get("test")
        if cell.contender == contender and points and told:
            at, argmax = points[0]["test"], points[0]["at_argmax"]
            shares = {name: at[name]["value"] for name in ("accuracy", "sensitivity", "specificity") if at[name]}
            errors = {name: told[name] for name in ("ece", "ece_if_calibrated")}
            rows.append({"threshold": points[0]["threshold"], "argmax": argmax["accuracy"]["value"], **shares, **errors})
    common = set.intersection(*(set(row) for row in rows)) if rows else set()
    return {name: float(np.mean([row[name] for row in rows])) for name in sorted(common)} if rows else None


def _points(
    val: Answers, test: Answers, classes: Sequence[str], positive: str | None, seed: int
) -> tuple[Mapping[str, Any], ...]:
    if positive is None and len(classes) != 2:
        return ()
    which = 1 if positive is None else list(classes).index(positive)
    of_val, of_test = (Scores.of(one.chances_NK, one.labels_N, which, one.groups_N) for one in (val, test))
    return tuple(asdict(point) for point in operating_points(of_val, of_test, classes[which], seed=seed))


def _cooled(val: Answers, test: Answers, classes: Sequence[str], positive: str | None, seed: int) -> dict[str, Any]:
    """Return the temperature that fits validation best, and loss, Brier score and calibration error of test at it."""
    at, reason = temperature(val.chances_NK, val.labels_N) if len(val.labels_N) else (None, "validation holds no image")
    if at is None or not len(test.labels_N):
        return {"value": at, "reason": reason, "test": None}
    chances_NK = scaled(test.chances_NK, at)
    found = calibration(chances_NK, test.labels_N, classes, positive, groups_N=test.groups_N, seed=seed)
    split, once_1N = scores.Split(chances_NK, test.labels_N), np.ones((1, len(test.labels_N)))
    figures = {name: float(score(split, once_1N)[0]) for name, score in (("loss", scores.log_loss), ("brier", scores.brier))}
    told = {name: getattr(found, name) for name in ("ece", "ece_if_calibrated", "rms", "verdict")}
    slope = None if found.slope is None else asdict(found.slope)
    return {"value": at, "reason": reason, "test": {**figures, **told, "slope": slope}}
