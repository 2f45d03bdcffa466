"""What the conformance kit found: values that need no torch, so that whoever only shows them does without it."""

from __future__ import annotations

from dataclasses import dataclass

PASSED, FAILED, EXPECTED, UNEXPECTED, SKIPPED, BLOCKED = "passed", "failed", "expected", "unexpected", "skipped", "blocked"
"""A check holds, or says no; says no as declared, or holds although declared otherwise; has nothing to look at, or could not."""


@dataclass(frozen=True)
class Fault:
    """What is wrong, and the line to change: of the declaration, or of the network's own code."""

    text: str
    change: str


@dataclass(frozen=True)
class Note:
    """What a check found and does not judge."""

    text: str


class InapplicableError(Exception):
    """A check has nothing to look at here; its message says why."""


class BlockedError(BaseException):
    """What a check looks at could not be made, as the check named by `by` tells; no error that a network raises."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one check says of one backbone.

    `reason` says why it was skipped or is expected to fail, or names the check that blocks it; `link` is a declared failure's.
    """

    check: str
    demand: str
    status: str
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    link: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Examination:
    """All verdicts on one backbone, named as it was asked for. `fault` tells how its process ended, where that was not well."""

    name: str
    verdicts: tuple[Verdict, ...]
    fault: str = ""
    output: str = ""
    seconds: float = 0.0
    peak_memory_mb: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing says no."""
        return not self.fault and not any(verdict.status == FAILED for verdict in self.verdicts)

    def count(self, *statuses: str) -> int:
        """Count the verdicts of these statuses."""
        return sum(verdict.status in statuses for verdict in self.verdicts)
