"""Whether probabilities are what they say, on test: shares of what came true against what was said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from xzoo.report.reading import Reading


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """A contender's curves, one per seed: bins as (said, share, low, high).

    `ece` and what calibrated probabilities would show are means over seeds; `verdicts` are those of the seeds, each
    once, with its number of seeds where they differ.
    """

    number: int
    id: str
    of: str
    curves: Sequence[Sequence[tuple[float, float, float | None, float | None]]]
    ece: float
    ece_if_calibrated: float
    slopes: Sequence[float]
    verdicts: Sequence[str]


def reliabilities(reading: Reading) -> Sequence[Reliability]:
    """Return the curves of each contender whose cells judged their probabilities."""
    found = []
    for number, row in enumerate(reading.outcome.contenders, 1):
        told = [one for cell in reading.done(row) if (one := (cell.calibration or {}).get("test"))]
        if told:
            found.append(_reliability(number, row.id, told))
    return found


def _reliability(number: int, name: str, told: Sequence[Mapping[str, Any]]) -> Reliability:
    return Reliability(
        number=number,
        id=name,
        of=str(told[0]["of"]),
        curves=[
            [(one["said"], one["share"]["value"], one["share"]["low"], one["share"]["high"]) for one in seed["curve"]]
            for seed in told
        ],
        ece=fmean(seed["ece"] for seed in told),
        ece_if_calibrated=fmean(seed["ece_if_calibrated"] for seed in told),
        slopes=[seed["slope"]["value"] for seed in told if seed["slope"]],
        verdicts=_verdicts([str(seed["verdict"]) for seed in told]),
    )


def _verdicts(by_seed: Sequence[str]) -> Sequence[str]:
    found = Counter(by_seed)
    if len(found) == 1:
        return list(found)
    return [f"{count} of {len(by_seed)} seeds: {verdict}" for verdict, count in found.most_common()]
