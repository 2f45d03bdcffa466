"""What is wrong with the data: what an audit of the same images found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from xzoo.audit.outcome import Audit, CopyRow, GiveawayRow
from xzoo.errors import UsageError
from xzoo.report.album import Album
from xzoo.report.audits import shift_rows, split_rows
from xzoo.report.reading import Reading
from xzoo.runs.result import Finding
from xzoo.runs.store import read

_MOST, _LEVEL = 20, 0.01
MOST_PICTURED = 8
"""Pairs of copies, and images that give a split away, that are shown as pictures."""


@dataclass(frozen=True, kw_only=True)
class Faults:
    """An audit's findings, its tables with their heads, the first of `num_copies` copies, and what gives splits away.

    `pictures` are data URIs of the first of these images, by id, where they are at hand.
    """

    findings: Sequence[Finding]
    splits: Sequence[Sequence[str]]
    shifts: Sequence[Sequence[str]]
    copies: Sequence[CopyRow]
    num_copies: int
    giveaways: Sequence[GiveawayRow]
    features: str
    pictures: Mapping[str, str]
    not_examined: Sequence[str]


@dataclass(frozen=True)
class _Schema:
    """The one field that tells an audit from another file."""

    schema: str = ""


def read_audit(path: Path) -> Audit:
    """Return the audit in a file, as `xzoo audit --format json` prints it. Raises UsageError for another file, StorageError."""
    if not path.is_file():
        raise UsageError(f"there is no audit {path}", "write one: xzoo audit DATA --format json > audit.json")
    try:
        schema = msgspec.json.decode(path.read_bytes(), type=_Schema).schema
    except msgspec.DecodeError:
        schema = ""
    if schema != "xzoo.audit/1":
        raise UsageError(f"{path} holds no audit", "write one: xzoo audit DATA --format json > audit.json")
    return read(path, Audit)


def faults(reading: Reading, audit: Audit | None, album: Album | None = None) -> Faults | None:
    """Return what an audit says of the images of a run, or None without one of these images."""
    if audit is None or not is_of(audit, reading):
        return None
    giveaways = [one for row in audit.shifts if row.appearance_p_holm < _LEVEL for one in row.giveaways][:_MOST]
    shown = [*(name for pair in audit.copies[:MOST_PICTURED] for name in (pair.one, pair.other)), *(one.id for one in giveaways)]
    return Faults(
        findings=audit.findings,
        splits=list(split_rows(audit)),
        shifts=list(shift_rows(audit)) if audit.shifts else [],
        copies=audit.copies[:_MOST],
        num_copies=audit.num_copies,
        giveaways=giveaways,
        features=str(audit.features.get("name", "")),
        pictures={} if album is None else album.pictures(shown),
        not_examined=audit.not_examined,
    )


def is_of(audit: Audit, reading: Reading) -> bool:
    """Whether an audit read the images and labels that a run learnt from, split and grouped as its first cell's are."""
    own, other = audit.dataset, reading.outcome.dataset
    # Runs and audits of earlier versions do not know their splits by a hash.
    drawn = {one["splits_and_groups"] for one in (own, other) if "splits_and_groups" in one}
    return bool(own["pack"] == other["pack"] and len(drawn) < 2)
