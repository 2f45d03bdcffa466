"""Everything a report says of one run, as plain values: what `xzoo report --format json` prints, and what templates show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xzoo.audit.outcome import Audit
from xzoo.report.album import Album
from xzoo.report.reading import Reading
from xzoo.report.sections.answer import Answer, answer
from xzoo.report.sections.confusion import Confusion, confusions
from xzoo.report.sections.curves import Curve, curves
from xzoo.report.sections.discrimination import Discriminations, discriminations
from xzoo.report.sections.faults import Faults, faults
from xzoo.report.sections.freezing import Freezing, freezing
from xzoo.report.sections.latency import LatencyRow, latencies
from xzoo.report.sections.leaderboard import Leaderboard, leaderboard
from xzoo.report.sections.maps import Maps, maps
from xzoo.report.sections.origins import Origins, origins
from xzoo.report.sections.proofs import Proofs, proofs
from xzoo.report.sections.reliability import Reliability, reliabilities
from xzoo.report.sections.tradeoffs import Tradeoff, tradeoffs


@dataclass(frozen=True, kw_only=True)
class Contents:
    """One run's part of a report, in the order in which it is shown."""

    run: str
    answer: Answer
    leaderboard: Leaderboard
    tradeoffs: Sequence[Tradeoff]
    curves: Sequence[Curve]
    freezing: Freezing | None
    discrimination: Discriminations | None
    reliability: Sequence[Reliability]
    confusion: Sequence[Confusion]
    latency: Sequence[LatencyRow]
    faults: Faults | None
    maps: Maps | None
    proofs: Proofs
    origins: Origins


def contents(reading: Reading, audit: Audit | None = None, album: Album | None = None) -> Contents:
    """Return what a report says of a run, and of its data where an audit is of it. Raises StorageError.

    Without an album nothing is said of pictures; one without images says why there are none.
    """
    board = leaderboard(reading)
    return Contents(
        run=reading.name,
        answer=answer(reading),
        leaderboard=board,
        tradeoffs=tradeoffs(board),
        curves=curves(reading),
        freezing=freezing(reading),
        discrimination=discriminations(reading),
        reliability=reliabilities(reading),
        confusion=confusions(reading),
        latency=latencies(reading),
        faults=faults(reading, audit, album),
        maps=None if album is None else maps(reading, album),
        proofs=proofs(reading),
        origins=origins(reading),
    )
