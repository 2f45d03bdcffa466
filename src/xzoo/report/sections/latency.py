"""How long answers take: percentiles of each backbone on the machine of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xzoo.report.reading import Reading
from xzoo.runs.result import Latency


@dataclass(frozen=True)
class LatencyRow:
    """A backbone and what was measured of it at one batch size; `number` is that of its best contender."""

    number: int
    label: str
    batches: Sequence[Latency]


def latencies(reading: Reading) -> Sequence[LatencyRow]:
    """Return a row for each backbone that was timed, in the order of the leaderboard."""
    numbers: dict[str, int] = {}
    for number, row in enumerate(reading.outcome.contenders, 1):
        numbers.setdefault(f"{row.backbone}@{row.weights}", number)
    timed = [(label, facts.latency) for label, facts in reading.outcome.backbones.items() if facts.latency and label in numbers]
    return [LatencyRow(numbers[label], label, latency) for label, latency in sorted(timed, key=lambda one: numbers[one[0]])]
