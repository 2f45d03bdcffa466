"""A comparison drawn on matplotlib's axes, to be restyled: plain lines, points and labels, and no style of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xzoo.compare.outcome import Outcome
from xzoo.data.items import printable
from xzoo.errors import UsageError
from xzoo.report.reading import Reading
from xzoo.report.sections.curves import LINES, curves
from xzoo.runs.result import Contender
from xzoo.runs.showing import needed
from xzoo.runs.store import RunFolder

COSTS = {
    "gmacs": "GMACs for one image",
    "latency_ms": "milliseconds for one image",
    "seconds": "seconds of training",
    "params": "parameters",
}
SPLITS = {"train": "training", "val": "validation", "test": "test"}
_LONGEST = 60


def drawn(kind: str, outcome: Outcome, ax: Any, **wishes: Any) -> Any:
    """Return axes with one of `DRAWINGS` on them. Raises UnavailableError without matplotlib, UsageError for an unknown word."""
    plt = needed("matplotlib.pyplot", f"plot_{kind}")
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    DRAWINGS[kind](outcome, ax, **wishes)
    return ax


def accuracy(outcome: Outcome, ax: Any, split: str) -> None:
    """Draw a point with its 95% interval for each contender, the best at the top, and the majority class as a line."""
    rows = [row for row in outcome.contenders if _accuracy(row, split)]
    figures = [_accuracy(row, split) for row in rows]
    places = list(range(len(rows), 0, -1))
    for place, one in zip(places, figures, strict=True):
        if one["low"] is not None and one["high"] is not None:
            ax.plot([one["low"], one["high"]], [place, place], color="C0", solid_capstyle="butt")
    ax.plot([one["value"] for one in figures], places, "o", color="C0")
    majority = getattr(rows[0], split).get("majority") if rows else None
    if majority:
        ax.axvline(majority["value"], linestyle=":", color="0.5", label="majority class")
        ax.legend()
    ax.set_yticks(places, [_name(row) for row in rows])
    _as_text(ax.get_yticklabels())
    ax.set_xlabel(f"{SPLITS[split]} accuracy, 95% interval")


def learning(outcome: Outcome, ax: Any, line: str) -> None:
    """Draw a figure by epoch for each contender: the mean over seeds, and a band from the least to the greatest seed."""
    if line not in LINES:
        raise UsageError(f"line {line!r} is unknown", f"use {', '.join(LINES)}")
    handles, names = [], []
    # What curves are made of is in the outcome; nothing is read from the run's folder.
    for curve in curves(Reading(RunFolder(Path(outcome.run)), outcome, {}, "")):
        found = curve.lines[line]
        epochs = [epoch for epoch, value in enumerate(found.mean, 1) if value is not None]
        if epochs:
            mean, low, high = ([one[epoch - 1] for epoch in epochs] for one in (found.mean, found.low, found.high))
            handles += ax.plot(epochs, mean)
            if curve.seeds > 1:
                ax.fill_between(epochs, low, high, alpha=0.2, color=handles[-1].get_color(), linewidth=0)
            names.append(f"{curve.number} {_cut(curve.id)}")
    ax.xaxis.set_major_locator(needed("matplotlib.ticker", "plot_curves").MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel(line.replace("val_", "validation ").replace("train_", "training "))
    if handles:
        _as_text(ax.legend(handles, names).get_texts())


def cost(outcome: Outcome, ax: Any, cost: str, split: str) -> None:
    """Draw accuracy against a cost, a bubble for each contender whose area is its number of parameters."""
    if cost not in COSTS:
        raise UsageError(f"cost {cost!r} is unknown", f"use {', '.join(COSTS)}")
    rows = [row for row in outcome.contenders if getattr(row, cost) and _accuracy(row, split)]
    most = max((row.params or 0 for row in rows), default=0) or 1
    for row in rows:
        place = float(getattr(row, cost)), _accuracy(row, split)["value"]
        ax.scatter(*place, s=20 + 380 * (row.params or 0) / most, alpha=0.5)
        ax.annotate(_name(row), place, xytext=(0, 6), textcoords="offset points", ha="center", fontsize="small", parse_math=False)
    ax.set_xscale("log")
    ax.margins(0.15)
    ax.set_xlabel(COSTS[cost])
    ax.set_ylabel(f"{SPLITS[split]} accuracy")


DRAWINGS: Mapping[str, Callable[..., None]] = {"accuracy": accuracy, "curves": learning, "cost": cost}


def _accuracy(row: Contender, split: str) -> Mapping[str, Any]:
    if split not in SPLITS:
        raise UsageError(f"split {split!r} is unknown", f"use {', '.join(SPLITS)}")
    return getattr(row, split).get("accuracy") or {}


def _name(row: Contender) -> str:
    return _cut(row.id)


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def _as_text(labels: Sequence[Any]) -> None:
    """Have names written as they are: a $ in one begins no formula."""
    for label in labels:
        label.set_parse_math(False)
