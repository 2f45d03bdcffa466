"""Contenders that were trained too long or too short, over their seeds, and what to do about it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from xzoo.compare.fit import LEARNING, OVERFITTING, SHORT, judged
from xzoo.runs.result import CellResult, Finding, Measure


def fit_of(cells: Sequence[CellResult], num_classes: int) -> Mapping[str, Any]:
    """Return a contender's `change` and `rise` of validation loss over its seeds, their mean `gaps`, and one `verdict`.

    The images' part of each error counts as shared by all seeds, which it is at most; the epochs' part is the larger of what the
    curves show and what the seeds differ by, over the number of seeds, with Student's t for so many (Satterthwaite's degrees).
    The verdict is that of `read_fit`.
    """
    fits = [cell.fit for cell in cells if cell.status == "done" and cell.fit]
    read = [fit for fit in fits if fit.get("change")]
    gaps = {name: _mean([fit.get(name) for fit in fits]) for name in ("accuracy_gap", "loss_gap")}
    if not read:
        return {"verdict": SHORT, "seeds": len(fits), "change": None, "rise": None, **gaps}
    change = _joined([fit["change"] for fit in read], [fit["error"] for fit in read])
    risen = [fit["rise"] for fit in read if fit.get("rise")]
    rise = _joined(risen, None) if len(risen) == len(read) else None
    verdict = judged(change, rise, num_classes)
    return {
        "verdict": verdict,
        "seeds": len(read),
        "change": asdict(change),
        "rise": None if rise is None else asdict(rise),
        **gaps,
    }


def of_run(results: Sequence[CellResult], num_classes: int) -> list[Finding]:
    """Return a finding for each contender whose validation loss rises or still falls at the end of training."""
    found = []
    for name in dict.fromkeys(result.contender for result in results if result.status == "done"):
        cells = [result for result in results if result.contender == name and result.status == "done"]
        fit = fit_of(cells, num_classes)
        if fit["verdict"] == OVERFITTING:
            found.append(_overfitting(name, cells, fit))
        elif fit["verdict"] == LEARNING:
            found.append(_learning(name, cells, fit))
    return found


def _overfitting(name: str, cells: Sequence[CellResult], fit: Mapping[str, Any]) -> Finding:
    change, rise = fit["change"], fit["rise"]
    told = rise if rise is not None and (rise["low"] or 0.0) > 0 and rise["value"] >= change["value"] else change
    where = "since its lowest" if told is rise else f"over the last {change['n']} epochs"
    lowest = round(statistics.median(cell.fit["best_loss_epoch"] for cell in cells if cell.fit.get("change"))) + 1
    kept = round(statistics.median(cell.best_epoch or 0 for cell in cells)) + 1
    moved = [cell.fit["accuracy_change"] for cell in cells if cell.fit.get("accuracy_change") is not None]
    holds = bool(moved) and statistics.fmean(moved) > -0.01
    what = "; accuracy holds, so it is the probabilities that become too sure" if holds else "; accuracy falls with it"
    text = f"{name} is trained too long: validation loss rose by {_shown(told)} nats {where} (about epoch {lowest}){what}"
    remedy = (
        f"train for about {lowest} epochs, or add weight_decay, augmentation or training images; the weights kept are those of "
        f"about epoch {kept}"
    )
    return Finding("overfitting", "warning", text, remedy)


def _learning(name: str, cells: Sequence[CellResult], fit: Mapping[str, Any]) -> Finding:
    change, longest = fit["change"], max(cell.epochs or 0 for cell in cells)
    text = f"{name} is still learning: validation loss changed by {_shown(change)} nats over the last {change['n']} epochs"
    return Finding(
        "still-learning", "info", text, f"train longer (--epochs {2 * longest}); its figures are lower than they can be"
    )


def _shown(measure: Mapping[str, Any]) -> str:
    return f"{measure['value']:.3f} ({measure['low']:.3f} to {measure['high']:.3f})"


def _joined(measures: Sequence[Mapping[str, Any]], errors: Sequence[Mapping[str, Any]] | None) -> Measure:
    """Return the mean of the seeds' figures with its interval; one seed's own where there is one."""
    if len(measures) == 1:
        return Measure(**measures[0])
    values, n = [one["value"] for one in measures], measures[0]["n"]
    value, between = statistics.fmean(values), statistics.stdev(values)
    half = statistics.fmean((one["high"] - one["low"]) / 2 for one in measures)
    if errors is None:
        by_images, by_epochs = (half / 1.96) ** 2, 0.0
    else:
        by_images = statistics.fmean(((n - 1) * (one["images"] or 0.0)) ** 2 for one in errors)
        by_epochs = statistics.fmean(((n - 1) * one["epochs"]) ** 2 for one in errors)
    by_seeds = max(between**2, by_epochs) / len(values)
    degrees = (len(values) - 1) * ((by_images + by_seeds) / by_seeds) ** 2 if by_seeds else math.inf
    reach = _quantile(degrees) * math.sqrt(by_images + by_seeds)
    return Measure(value, value - reach, value + reach, n)


def _quantile(degrees: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(0.975)) if math.isinf(degrees) else float(stdtrit(degrees, 0.975))


def _mean(gaps: Sequence[Mapping[str, Any] | None]) -> dict[str, Any] | None:
    """Return the mean gap over seeds, with the images' error as shared by them and the seeds' beside it."""
    known = [gap for gap in gaps if gap is not None]
    return asdict(_joined(known, None)) if known else None
