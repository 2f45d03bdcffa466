"""Turns as ratios: each side's figure against the reference's of the same turn, with n and spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from peers.sides import Took
from xzoo.conformance.pairing.decision import ratio_of

Turns = Mapping[str, Sequence[Took]]


def table(
    turns: Turns, reference: str, figure: Callable[[Took], float | None], unit: str, *, more_is_better: bool = False
) -> str:
    """Return a line for each side: median and range of its figure, its gain over the reference with interval, its accuracy."""
    lines = [f"{'side':28} {unit + ', median (range)':>28} {'gain over ' + reference:>34} {'n':>3}  validation accuracy"]
    for name, took in turns.items():
        values = [value for one in took if (value := figure(one)) is not None]
        if values:
            others = [value for one in turns[reference] if (value := figure(one)) is not None]
            gain = _gain(values, others, more_is_better)
            lines.append(f"{name:28} {_spread(values):>28} {gain:>34} {len(values):>3}  {_accuracy(took)}")
    return "\n".join(lines)


def decomposed(turns: Turns, reference: str, exact: str, fast: str) -> str:
    """Say what of a gain comes from not repeating work (`exact`: the same arithmetic) and what from faster arithmetic."""
    if not {reference, exact, fast} <= turns.keys():
        return ""
    seconds = {name: statistics.median(one.seconds for one in turns[name]) for name in (reference, exact, fast)}
    whole, work = seconds[reference] / seconds[fast], seconds[reference] / seconds[exact]
    return f"{whole:.1f} times in all = {work:.1f} (not repeating work, {exact}) x {whole / work:.2f} (faster arithmetic, {fast})"


def not_inferior(turns: Turns, reference: str, margin: float = 0.02) -> list[str]:
    """Say of each side whether its accuracy, paired by turn, is lower by less than the margin at one-sided 95% (Student's t)."""
    found = []
    for name, took in turns.items():
        pairs = [(a.val_accuracy, b.val_accuracy) for a, b in zip(took, turns[reference], strict=False)]
        differences = [a - b for a, b in pairs if a is not None and b is not None]
        if name == reference or not differences:
            continue
        mean = statistics.fmean(differences)
        if len(differences) < 2:
            found.append(f"{name}: accuracy {mean:+.3f}, n 1: no interval")
            continue
        from scipy import stats

        error = statistics.stdev(differences) / math.sqrt(len(differences))
        low = mean - float(stats.t.ppf(0.95, len(differences) - 1)) * error
        word = "not inferior" if low > -margin else "not shown to be non-inferior"
        found.append(f"{name}: accuracy {mean:+.3f}, at least {low:+.3f}, n {len(differences)}: {word} (margin {margin})")
    return found


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.4g} ({min(values):.4g}-{max(values):.4g})"


def _gain(values: Sequence[float], others: Sequence[float], more_is_better: bool) -> str:
    """Return the ratio with its interval where turns pair; of medians alone where the reference was run less often."""
    sign = 1 if more_is_better else -1
    if len(values) == len(others) >= 2:
        ratio = ratio_of([sign * math.log(a / b) for a, b in zip(values, others, strict=True)])
        return f"{ratio.value:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
    return f"{(statistics.median(values) / statistics.median(others)) ** sign:.2f} (medians)"


def _accuracy(took: Sequence[Took]) -> str:
    accuracies = [one.val_accuracy for one in took if one.val_accuracy is not None]
    return f"{statistics.fmean(accuracies):.4f} ({min(accuracies):.4f}-{max(accuracies):.4f})" if accuracies else "-"
