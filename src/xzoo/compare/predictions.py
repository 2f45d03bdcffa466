"""`xzoo compare --predictions`: intervals and verdicts for models that were trained elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xzoo.compare import standings, verdict
from xzoo.compare.evidence import Answered
from xzoo.compare.plan import MARGIN, check_margin
from xzoo.compare.prediction_files import Predicted, read
from xzoo.data.items import counted, listed
from xzoo.errors import UsageError
from xzoo.evaluate.metrics import guess_positive, is_chance, measure
from xzoo.runs.result import Comparison, Finding, Measure, Metrics

SCHEMA = "xzoo.predictions/1"
SPLIT = "given"


@dataclass(frozen=True, kw_only=True)
class PredictedModel:
    """One file's figures on the images that all files share; its rank lies between `rank` and `worst_rank`."""

    id: str
    figures: Metrics
    guessing: bool
    rank: int
    worst_rank: int


@dataclass(frozen=True, kw_only=True)
class PredictionsOutcome:
    """The answer to `xzoo compare --predictions`. Its fields are those of the machine output `xzoo.predictions/1`."""

    schema: str = SCHEMA
    classes: Sequence[str]
    positive: str | None
    images: int
    patients: int | None
    margin: float
    guess: float
    contenders: Sequence[PredictedModel]
    comparisons: Sequence[Comparison]
    findings: Sequence[Finding]


def compare_predictions(
    files: Sequence[str | os.PathLike[str]], *, positive: str | None = None, margin: float = MARGIN
) -> PredictionsOutcome:
    """Return every model's figures with their intervals, and the verdict on every two, from files of predictions.

    Files are .csv or .jsonl with `path,label,probabilities[,group]`, matched by path; `group` is the patient. `positive` is the
    class that sensitivity speaks of; without it names such as `normal` tell. Raises DataError for files that cannot be read or
    contradict each other, UsageError.
    """
    if not files:
        raise UsageError("no file of predictions is named", "name one or more .csv or .jsonl files")
    check_margin(margin)
    found = read([Path(file) for file in files])
    if positive is not None and positive not in found.classes:
        raise UsageError(f"--positive {positive!r} is none of the classes {', '.join(found.classes)}", "name one of them")
    positive = positive or guess_positive(found.classes)
    figures = {name: _measured(found, name, positive) for name in found.chances}
    guessing = [name for name, one in figures.items() if is_chance(one)]
    answers = {name: {0: _answered(found, name)} for name in found.chances}
    comparisons = verdict.conclude(answers, SPLIT, guessing=guessing, margin=margin)
    return PredictionsOutcome(
        classes=found.classes,
        positive=positive,
        images=len(found.paths),
        patients=len(set(_patients(found))) if any(found.groups) else None,
        margin=margin,
        guess=float(np.bincount(found.labels_N).max() / len(found.paths)),
        contenders=_ranked(figures, guessing, comparisons),
        comparisons=comparisons,
        findings=_findings(found, guessing),
    )


def _measured(found: Predicted, name: str, positive: str | None) -> Metrics:
    groups_N = np.array(_patients(found)) if any(found.groups) else None
    return measure(found.chances[name], found.labels_N, found.classes, positive, groups_N=groups_N)


def _answered(found: Predicted, name: str) -> Answered:
    groups_N = np.array(_patients(found), dtype=np.str_) if any(found.groups) else None
    return Answered.of(np.arange(len(found.paths)), found.chances[name], found.labels_N, groups_N)


def _patients(found: Predicted) -> list[str]:
    """Return each image's patient; one without is a patient of its own."""
    return [group or f"\0{path}" for group, path in zip(found.groups, found.paths, strict=True)]


def _ranked(figures: Mapping[str, Metrics], guessing: Sequence[str], comparisons: Sequence[Comparison]) -> list[PredictedModel]:
    places = standings.ranks(list(figures), comparisons)
    rows = [
        PredictedModel(id=name, figures=one, guessing=name in guessing, rank=places[name][0], worst_rank=places[name][1])
        for name, one in figures.items()
    ]
    return sorted(rows, key=lambda row: (row.rank, -(row.figures.accuracy or Measure(0.0, None, None, 0)).value))


def _findings(found: Predicted, guessing: Sequence[str]) -> list[Finding]:
    guesses = [
        Finding("chance", "warning", f"{name} is not distinguishable from guessing", "do not compare it with others")
        for name in guessing
    ]
    if all((chances_NK.argmax(1) == found.labels_N).all() for chances_NK in found.chances.values()):
        text = f"the label of every image is the most probable class in {listed(list(found.chances))}: no model is ever wrong"
        remedy = "look whether `label` is the truth: in what `xzoo predict` writes it is the model's own answer"
        guesses.append(Finding("answers-as-labels", "warning", text, remedy))
    if not found.num_left_out:
        return guesses
    text = f"{counted(found.num_left_out, 'image')} not in every file are left out"
    return [*guesses, Finding("left-out", "warning", text, "predict the same images with every model")]
