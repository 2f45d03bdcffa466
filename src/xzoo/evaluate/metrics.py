"""What the predictions of a split say: figures, their intervals, and the reason where there is none."""

# N = images, K = classes, R = resamples

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.errors import DataError
from xzoo.evaluate.calibration import equal_masses, expected_error, judged, num_bins, slopes
from xzoo.evaluate.ends import Ends
from xzoo.evaluate.scores import Floats, Split, auroc, balanced_accuracy, brier, f1, log_loss, matthews
from xzoo.evaluate.shares import share
from xzoo.runs.result import Measure, Metrics
from xzoo.statistics.resampling import resample_counts

_NEGATIVE = {
    "normal", "healthy", "negative", "benign", "control", "controls", "no finding", "no findings", "unremarkable", "neg",
}  # fmt: skip
_POSITIVE = {"abnormal", "positive", "malignant", "diseased", "disease", "sick", "pos"}


def measure(
    probabilities_NK: NDArray[Any],
    labels_N: NDArray[Any],
    classes: Sequence[str],
    positive: str | None = None,
    *,
    train_labels_N: NDArray[Any] | None = None,
    groups_N: NDArray[Any] | None = None,
    seed: int = 0,
    num_resamples: int = 1000,
) -> Metrics:
    """Return every figure of a split with its 95% interval; one that cannot be had is None, with a reason under its name.

    The answer to an image is its most probable class, the first of equals. Shares (accuracy, recalls, sensitivity, specificity,
    majority) have Wilson intervals, balanced accuracy such intervals joined, AUROC of two classes DeLong's on the logit's scale,
    and the others BCa bootstrap intervals, stratified by class. With `groups_N` patients are drawn and counted instead of images,
    and the interval of a share is widened to the bootstrap's. The positive class is never guessed here.
    What `calibration_slope`, `calibration_intercept` and `ece` are, evaluate/calibration.py says; `ece` is biased upwards by
    chance, and has no interval.
    AUROC of more than two classes is the mean of each class against the rest; F1 is that of the positive class where there is
    one, else the mean over classes. Raises DataError for probabilities or labels that cannot be used.
    """
    split = _checked(probabilities_NK, labels_N, classes, positive)
    sheet = _Sheet(split, tuple(classes))
    missing = [name for name, count in zip(classes, split.class_counts, strict=True) if not count]
    absent = f"no image of class {', '.join(missing)} in this split" if missing else ""
    sheet.plan("loss", log_loss)
    sheet.plan("brier", brier)
    for name, score in (("balanced_accuracy", balanced_accuracy), ("auroc", auroc), ("f1", f1)):
        sheet.plan(name, score, absent)
    sheet.plan("mcc", matthews, "all images of this split are of one class" if len(missing) >= len(classes) - 1 else "")
    _plan_shares(sheet, positive, train_labels_N)
    return sheet.filled(groups_N, seed, num_resamples, _calibrated(sheet, positive, groups_N))


def is_chance(metrics: Metrics) -> bool:
    """Whether the answers cannot be told from guessing.

    So it is where neither the interval of accuracy lies above the share of the largest class, which always answering that class
    would reach, nor the interval of balanced accuracy above 1/K, which any answer blind to the image would reach.
    """
    if metrics.accuracy is None or metrics.accuracy.low is None:
        return False
    sizes = [sum(row) for row in metrics.confusion]
    by_share = metrics.accuracy.low <= max(sizes) / sum(sizes)
    balanced = metrics.balanced_accuracy
    return by_share and (balanced is None or balanced.low is None or balanced.low <= 1 / len(sizes))


def guess_positive(classes: Sequence[str]) -> str | None:
    """Return the class of two that a reader would call positive, or None unless the names say so (`normal`, `no X`, ...)."""
    if len(classes) != 2:
        return None
    words = [" ".join(name.lower().replace("_", " ").replace("-", " ").split()) for name in classes]
    for this, other in ((0, 1), (1, 0)):
        denied = words[this] in {f"{word} {words[other]}" for word in ("no", "non", "not", "without")}
        if denied or (words[this] in _NEGATIVE and words[other] not in _NEGATIVE):
            return classes[other]
        if words[this] in _POSITIVE and words[other] not in _POSITIVE and words[other] not in _NEGATIVE:
            return classes[this]
    return None


@dataclass
class _Sheet:
    """The figures to be computed: scores of weighted images, and shares as a flag per image among those that count."""

    split: Split
    classes: tuple[str, ...]
    scores: dict[str, Callable[[Split, Floats], Floats]] = field(default_factory=dict)
    shares: dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def plan(self, name: str, score: Callable[[Split, Floats], Floats], reason: str = "") -> None:
        if reason:
            self.reasons[name] = reason
        else:
            self.scores[name] = score

    def share(self, name: str, right_N: NDArray[np.bool_], among_N: NDArray[np.bool_], reason: str) -> None:
        if among_N.any():
            self.shares[name] = (right_N & among_N, among_N)
        else:
            self.reasons[name] = reason

    def filled(self, groups_N: NDArray[Any] | None, seed: int, num_resamples: int, more: Mapping[str, Measure | None]) -> Metrics:
        drawn: dict[str, list[Floats]] = {name: [] for name in (*self.scores, *self.shares)}
        ends = Ends(self.split, groups_N, seed)
        by_drawing = {name: score for name, score in self.scores.items() if not ends.is_exact(name)}
        for counts_RN in resample_counts(self.split.labels, groups_N, num_resamples=num_resamples, seed=seed):
            for name, score in by_drawing.items():
                drawn[name].append(score(self.split, counts_RN))
            for name, (right_N, among_N) in self.shares.items() if groups_N is not None else ():
                with np.errstate(invalid="ignore"):
                    drawn[name].append((counts_RN @ right_N) / (counts_RN @ among_N))
        found = ends.measures(self.scores, drawn)
        found |= {name: share(*flags, drawn[name], groups_N) for name, flags in self.shares.items()}
        recall = {name: found.pop(f"recall {name}", None) for name in self.classes}
        return Metrics(**found, **more, recall=recall, confusion=_rows(self.split.confusion), reasons=self.reasons)


def _plan_shares(sheet: _Sheet, positive: str | None, train_labels_N: NDArray[Any] | None) -> None:
    split, everyone_N = sheet.split, np.ones(len(sheet.split.labels), bool)
    right_N = split.answers == split.labels
    sheet.share("accuracy", right_N, everyone_N, "the split is empty")
    for place, name in enumerate(sheet.classes):
        sheet.share(f"recall {name}", right_N, split.labels == place, f"no image of class {name} in this split")
    if positive is None:
        unknown = "which class is positive is not known; name it with --positive" if len(sheet.classes) == 2 else ""
        sheet.reasons |= dict.fromkeys(("sensitivity", "specificity"), unknown or "no class of several was named positive")
    else:
        ill_N, called_N = split.labels == split.positive, split.answers == split.positive
        sheet.share("sensitivity", called_N, ill_N, f"no image of class {positive} in this split")
        sheet.share("specificity", ~called_N, ~ill_N, f"only images of class {positive} in this split")
    if train_labels_N is None or not len(train_labels_N):
        sheet.reasons["majority"] = "the labels of the train split are not known"
    else:
        most = np.bincount(np.asarray(train_labels_N, np.int64), minlength=len(sheet.classes)).argmax()
        sheet.share("majority", split.labels == most, everyone_N, "the split is empty")


def _calibrated(sheet: _Sheet, positive: str | None, groups_N: NDArray[Any] | None) -> dict[str, Measure | None]:
    """Return the figures of calibration, and leave the reasons for those that cannot be had."""
    split = sheet.split
    chances_NK = np.asarray(split.chances, np.float64)
    said_N, hit_N, _ = judged(chances_NK, split.labels, sheet.classes, positive)
    found, reasons = slopes(chances_NK, split.labels, said_N, hit_N, groups_N)
    sheet.reasons |= {f"calibration_{name}": reason for name, reason in reasons.items() if name != "p"}
    error = expected_error(said_N, hit_N, equal_masses(said_N, num_bins(len(said_N))))
    return {
        "calibration_slope": found.slope,
        "calibration_intercept": found.intercept,
        "ece": Measure(error, None, None, len(said_N)),
    }


def _rows(confusion_KK: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in confusion_KK)


def _checked(probabilities_NK: NDArray[Any], labels_N: NDArray[Any], classes: Sequence[str], positive: str | None) -> Split:
    chances_NK, labels_N = np.asarray(probabilities_NK, np.float64), np.asarray(labels_N)
    if chances_NK.ndim != 2 or chances_NK.shape != (len(labels_N), len(classes)) or not len(labels_N):
        raise DataError(
            f"probabilities of shape {chances_NK.shape} do not fit {len(labels_N)} labels and {len(classes)} classes",
            "give one row per image and one column per class, and at least one image",
        )
    problems: Mapping[str, bool] = {
        "a probability is not a number": not np.isfinite(chances_NK).all(),
        "a row of probabilities is not between 0 and 1 with sum 1": bool(
            (chances_NK < -1e-6).any() or (np.abs(chances_NK.sum(1) - 1) > 1e-3).any()
        ),
        f"a label is not one of 0 to {len(classes) - 1}": not np.isin(labels_N, np.arange(len(classes))).all(),
    }
    if found := [text for text, is_so in problems.items() if is_so]:
        raise DataError(found[0], "training that diverges gives such figures: lower the learning rate, or check the predictions")
    if positive is not None and positive not in classes:
        raise DataError(f"positive class {positive!r} is not in the data", f"name one of {', '.join(classes)}")
    return Split(chances_NK, labels_N.astype(np.int64), None if positive is None else list(classes).index(positive))
