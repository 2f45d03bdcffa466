"""Results as text: what `print` shows of a result is what its command prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from xzoo.report.audits import audit_text
from xzoo.report.autopsies import explanation_text
from xzoo.report.benchmarks import benchmark_text
from xzoo.report.listing import predicted_text
from xzoo.report.tables import outcome_text

PRINTED: Mapping[str, Callable[[Any], str]] = {
    "Outcome": outcome_text,
    "Audit": audit_text,
    "Explanation": explanation_text,
    "Benchmark": benchmark_text,
    "Predicted": predicted_text,
}
"""What prints each kind of result, by the name of its class: the modules of some import torch."""


def as_text(value: object) -> str:
    """Return the text of what `compare`, `audit`, `explain`, `bench` and `predict` return."""
    return PRINTED[type(value).__name__](value)
