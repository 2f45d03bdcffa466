"""What a run knows of a trained model, each fact in words by its name; empty where it does not know it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xzoo.report.cards import figures, images, learning
from xzoo.report.cards.trained import Trained
from xzoo.report.words import sentence
from xzoo.runs.result import Finding

_GRAVEST = 6


def facts(model: Trained) -> dict[str, str]:
    """Return every fact by its name."""
    return {name: tell(model) for name, tell in FACTS.items()}


def told(finding: Finding) -> str:
    """Return a finding as one sentence, or two where it has a remedy."""
    return " ".join(f"{sentence(part)}." for part in (f"[{finding.id}] {finding.text}", finding.remedy) if part)


def limits(model: Trained) -> str:
    """Return what the run and an audit found that must be known."""
    grave = [one for one in found(model) if one.severity != "info"]
    return f"Findings: {' '.join(told(one) for one in grave[:_GRAVEST])}" if grave else ""


def found(model: Trained) -> list[Finding]:
    """Return the findings of the run that concern this model, and those of an audit, each once, the gravest first."""
    others = [row.id for row in model.reading.outcome.contenders if row.id != model.row.id]
    own = [
        one
        for one in model.reading.outcome.findings
        if model.row.id in one.text or not any(other in one.text for other in others)
    ]
    both = [*own, *(model.audit.findings if model.audit is not None else ())]
    order = {"error": 0, "warning": 1}
    return sorted(dict.fromkeys(both), key=lambda one: order.get(one.severity, 2))


FACTS: Mapping[str, Callable[[Trained], str]] = {
    one.__name__: one
    for one in (
        *(images.counts, images.data, images.level, images.level_of_drawn, images.missing, images.patients, images.preprocessing),
        *(images.shift, images.splits, images.subset, learning.imbalance, learning.network, learning.output, learning.rerun),
        *(learning.selection, learning.software, learning.start, learning.tensors, learning.training, learning.weighed),
        *(figures.calibration, figures.failures, figures.held_out, figures.measures, figures.on_validation, figures.over_seeds),
        *(figures.performance, figures.uncertainty, limits),
    )
}
"""What tells each fact, by its name."""
