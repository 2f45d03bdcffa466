"""Figures beside the answers: what a threshold chosen on validation does to test, and how far probabilities can be believed."""

from __future__ import annotations

from xzoo.compare.outcome import Outcome
from xzoo.compare.probabilities import over_seeds

_HEAD = ["contender", "threshold", "accuracy at it", "at argmax", "sensitivity", "specificity", "ECE", "by chance"]
_FIGURES = ("threshold", "accuracy", "argmax", "sensitivity", "specificity", "ece", "ece_if_calibrated")


def operating_rows(outcome: Outcome) -> list[list[str]]:
    """Return a row per contender at Youden's threshold, means over seeds on test, under a head; nothing without a threshold."""
    found = {row.id: over_seeds(outcome.cells, row.id, "youden") for row in outcome.contenders}
    told = {name: figures for name, figures in found.items() if figures is not None}
    rows = [[name, *(f"{row[figure]:.3f}" if figure in row else "-" for figure in _FIGURES)] for name, row in told.items()]
    return [_HEAD, *rows] if rows else []


def operating_note(outcome: Outcome) -> str:
    """Return what these figures are, of which class, and what they have no part in."""
    names = {point["of"] for cell in outcome.cells for point in cell.operating}
    return (
        f"On test, at the threshold on the probability of {', '.join(sorted(names))} that validation chose (Youden), apart from "
        "rank and recommendation, which go by the most probable class. ECE is the expected calibration error, by chance what "
        "calibrated probabilities would show; slope, intercept and the reliability curve are in the JSON output."
    )
