"""What is said of models that were trained elsewhere, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from xzoo.compare.marginals import AccuraciesOutcome, MarginalPair
from xzoo.compare.predictions import PredictedModel, PredictionsOutcome
from xzoo.report.tables import WIDTH, comparison_lines, finding_lines, places, table
from xzoo.runs.result import Measure


def predictions_text(outcome: PredictionsOutcome) -> str:
    """Return the whole answer for files of predictions: images, models, comparisons, findings."""
    patients = f" of {outcome.patients} patients" if outcome.patients is not None else ""
    head = f"{outcome.images} images{patients}, classes {', '.join(outcome.classes)}; guessing reaches {outcome.guess:.3f}"
    note = "Figures with their 95% intervals. Those that cannot be told apart share a rank. Whoever chooses by these images must "
    parts = [
        head,
        table(_rows(outcome.contenders, outcome.positive)),
        textwrap.fill(note + "report the choice on others.", WIDTH),
        comparison_lines(outcome.comparisons),
        finding_lines(outcome.findings),
    ]
    return "\n\n".join(part for part in parts if part)


def accuracies_text(outcome: AccuraciesOutcome) -> str:
    """Return the whole answer for accuracies alone."""
    rows = [["accuracy", "of", "95% interval", ""]]
    for one in outcome.contenders:
        low, high = one.accuracy.low or 0.0, one.accuracy.high or 0.0
        guess = "not distinguishable from guessing" if one.guessing else ""
        rows.append([one.id, str(one.accuracy.n), f"{one.accuracy.value:.4f} ({low:.3f}-{high:.3f})", guess])
    head = f"{outcome.images} images; guessing reaches {outcome.guess:g}"
    lines = "\n\n".join(_pair(one) for one in outcome.pairs)
    return "\n\n".join(part for part in (head, table(rows, left=0), lines, comparison_lines(outcome.comparisons)) if part)


def _rows(contenders: Sequence[PredictedModel], positive: str | None) -> list[list[str]]:
    shares = ["sensitivity", "specificity"] if positive is not None else ["balanced_accuracy"]
    rows = [["rank", "model", "accuracy", "AUROC", *(name.replace("_", " ") for name in shares), "Brier"]]
    for one in contenders:
        figures = [one.figures.accuracy, one.figures.auroc, *(getattr(one.figures, name) for name in shares), one.figures.brier]
        rows.append([places(one.rank, one.worst_rank), one.id, *map(_figure, figures)])
    return rows


def _figure(measure: Measure | None) -> str:
    if measure is None:
        return "-"
    ends = f" ({measure.low:.3f}-{measure.high:.3f})" if measure.low is not None and measure.high is not None else ""
    return f"{measure.value:.3f}{ends}"


def _pair(one: MarginalPair) -> str:
    remedy = f". {one.remedy[0].upper()}{one.remedy[1:]}" if one.remedy else ""
    return textwrap.fill(f"{one.a} and {one.b}: {one.verdict}. {one.rests_on[0].upper()}{one.rests_on[1:]}{remedy}.", WIDTH)
