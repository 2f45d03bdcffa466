"""What a run measured of a trained model, in words; empty where it did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xzoo.audit.balance import NAMES
from xzoo.data.items import SPLITS, counted, listed
from xzoo.report import tables
from xzoo.report.cards.trained import Trained
from xzoo.report.words import sentence
from xzoo.runs.result import Measure

HEADLINE = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "auroc": "AUROC"}
DIAGNOSTIC = {"sensitivity": "sensitivity", "specificity": "specificity", "f1": "F1", "mcc": "Matthews correlation"}
MEASURES = {**HEADLINE, **DIAGNOSTIC, "brier": "Brier score", "ece": "expected calibration error"}


def figure(measure: Measure) -> str:
    """Return a figure with its 95% interval."""
    if measure.low is None or measure.high is None:
        return f"{measure.value:.3f}"
    return f"{measure.value:.3f} ({measure.low:.3f} to {measure.high:.3f})"


def measures(model: Trained) -> str:
    """Return which figures were taken."""
    found = [name for field, name in MEASURES.items() if any(getattr(one, field) for one in model.metrics.values())]
    return f"Measured: {', '.join(found)}, and recall of each class." if found else ""


def uncertainty(model: Trained) -> str:
    """Return how figures are bounded and how contenders are told apart."""
    who = "patients" if model.group else "images, or patients where the data name them"
    tests = (
        "; pairs of contenders by exact McNemar tests and seeds crossed with images, after Holm"
        if model.reading.outcome.comparisons
        else ""
    )
    return f"95% intervals over {who}; the deviation between seeds apart{tests}." if model.metrics else ""


def performance(model: Trained) -> str:
    """Return the headline figures on every split."""
    return " ".join(f"{sentence(NAMES[split])}: {line}." for split in SPLITS if (line := _figures(model, split, HEADLINE)))


def held_out(model: Trained) -> str:
    """Return the figures on test, each with its interval; recalls stand in where no class is named as positive."""
    metrics = model.metrics.get("test")
    line = _figures(model, "test", {**HEADLINE, **DIAGNOSTIC})
    if metrics is None or not line:
        return ""
    recalls = [f"recall of {name} {figure(one)}" for name, one in metrics.recall.items() if one is not None]
    return f"On test: {line}; {listed(recalls, most=12)}."


def on_validation(model: Trained) -> str:
    """Return the figures on validation, by which was chosen."""
    line = _figures(model, "val", HEADLINE)
    return f"On validation, by which models were ranked and chosen: {line}." if line else ""


def over_seeds(model: Trained) -> str:
    """Return the contender's accuracy over its seeds."""
    accuracy = model.row.test.get("accuracy") or model.row.val.get("accuracy")
    split = "test" if model.row.test.get("accuracy") else "validation"
    return f"Over {counted(len(model.row.seeds), 'seed')}, {split} accuracy {tables.share(accuracy)}." if accuracy else ""


def calibration(model: Trained) -> str:
    """Return whether probabilities are what they say, on test, or else on validation."""
    for split in ("test", "val"):
        if found := model.cell.calibration.get(split):
            bent = ""
            if found.get("slope") and found.get("intercept"):
                bent = f", slope {_measured(found['slope'])}, intercept {_measured(found['intercept'])}"
            return (
                f"Probabilities of {found['of']} on {NAMES[split]}: {found['verdict']}; expected calibration error "
                f"{found['ece']:.3f} ({found['ece_if_calibrated']:.3f} would be chance){bent}."
            )
    return ""


def failures(model: Trained) -> str:
    """Return which classes were taken for which on test."""
    metrics, classes = model.metrics.get("test"), list(model.dataset["classes"])
    if metrics is None or not metrics.confusion:
        return ""
    pairs = [
        (count, f"{classes[true]} for {classes[said]} {count}")
        for true, row in enumerate(metrics.confusion)
        for said, count in enumerate(row)
        if true != said and count
    ]
    worst = [text for _, text in sorted(pairs, key=lambda pair: -pair[0])]
    return f"On test it took {listed(worst, most=6)}." if worst else "On test it took no class for another."


def _figures(model: Trained, split: str, which: Mapping[str, str]) -> str:
    metrics = model.metrics.get(split)
    if metrics is None:
        return ""
    known = {name: getattr(metrics, field) for field, name in which.items()}
    return ", ".join(f"{name} {figure(one)}" for name, one in known.items() if one is not None)


def _measured(plain: Mapping[str, Any]) -> str:
    return figure(Measure(plain["value"], plain.get("low"), plain.get("high"), plain.get("n", 0)))
