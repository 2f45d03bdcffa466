"""A card's front matter as Hugging Face reads it (https://huggingface.co/docs/hub/model-cards)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from xzoo.audit.balance import NAMES
from xzoo.data.items import printable
from xzoo.report.cards.trained import Trained
from xzoo.runs.result import Measure, Metrics
from xzoo.runs.store import slug

TASK = "image-classification"
LICENCES = {
    *("apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "cc", "cc0-1.0", "cc-by-2.0"),
    *("cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
    *("cc-by-nc-nd-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "gpl", "gpl-2.0", "gpl-3.0", "lgpl"),
    *("lgpl-2.1", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail", "unlicense", "zlib"),
}
"""Identifiers that the hub knows, of https://huggingface.co/docs/hub/repositories-licenses; others are `other` by name."""
METRICS = {
    "accuracy": ("accuracy", "Accuracy"),
    "balanced_accuracy": ("balanced_accuracy", "Balanced accuracy"),
    "auroc": ("roc_auc", "AUROC"),
    "sensitivity": ("sensitivity", "Sensitivity"),
    "specificity": ("specificity", "Specificity"),
    "f1": ("f1", "F1"),
    "mcc": ("matthews_correlation", "Matthews correlation"),
    "brier": ("brier_score", "Brier score"),
    "ece": ("expected_calibration_error", "Expected calibration error"),
}
"""Measures of a result by their type and name in a model index."""


def metadata(model: Trained) -> dict[str, Any]:
    """Return the front matter's values: licence, library, tags, data, and the measured results of this one model."""
    results = [_result(model, split, metrics) for split, metrics in model.metrics.items() if split != "train"]
    found = [one for one in results if one["metrics"]]
    kinds = list(dict.fromkeys(metric["type"] for one in found for metric in one["metrics"]))
    return {
        **licence(model),
        "library_name": "xzoo",
        "pipeline_tag": TASK,
        "tags": [TASK, "xzoo", model.row.backbone, f"freeze:{model.row.freeze}", "not-for-clinical-use"],
        "datasets": [data_id(model)],
        "metrics": kinds,
        "model-index": [{"name": name(model), "results": found}] if found else [],
    }


def name(model: Trained) -> str:
    """Return the model's name: its contender and its seed."""
    return f"{model.row.id}, seed {model.cell.seed}"


def licence(model: Trained) -> dict[str, str]:
    """Return the licence of the weights that the model started from, as the hub spells it; `unknown` where none is stated."""
    stated = str(model.facts.weights.get("licence", "") or "") if model.facts is not None else ""
    if not stated:
        return {"license": "unknown"}
    if (known := stated.strip().lower()) in LICENCES:
        return {"license": known}
    return {"license": "other", "license_name": slug(printable(stated)).lower()}


def data_id(model: Trained) -> str:
    """Return the data's name as an identifier; the hub takes no other sign than these."""
    return slug(printable(str(model.dataset["name"]))) or "data"


def _result(model: Trained, split: str, metrics: Metrics) -> dict[str, Any]:
    return {
        "task": {"type": TASK},
        "dataset": {"type": data_id(model), "name": str(model.dataset["name"]) or "data", "split": NAMES[split]},
        "metrics": list(_metrics(metrics)),
    }


def _metrics(metrics: Metrics) -> Iterator[dict[str, Any]]:
    for field, (kind, words) in METRICS.items():
        measure: Measure | None = getattr(metrics, field)
        if measure is not None and math.isfinite(measure.value):
            yield {"type": kind, "value": measure.value, "name": f"{words}{_interval(measure)}"}


def _interval(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return f" (n={measure.n})"
    return f" (95% interval {measure.low:.3f} to {measure.high:.3f}, n={measure.n})"
