"""Checks as tests: one of pytest's per check, on one network that they share. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from xzoo.conformance.check import Definition, checks
from xzoo.conformance.examine import judge
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import BLOCKED, EXPECTED, FAILED, SKIPPED, Verdict
from xzoo.zoo.spec import Backbone

_latest: list[Subject] = []


class Check:
    """One check of one backbone: calling it carries it out, and fails, skips or xfails the test that calls."""

    def __init__(self, wanted: str | Backbone, definition: Definition) -> None:
        self.wanted = wanted
        self.name = definition.name
        self.demand = definition.demand
        self._definition = definition

    def __call__(self) -> Verdict:
        """Carry the check out. Returns what it says where that is not no; else ends the test with all that is wrong."""
        verdict = judge(_subject(self.wanted), self._definition)
        if verdict.status == FAILED:
            pytest.fail(told(verdict), pytrace=False)
        if verdict.status == EXPECTED:
            pytest.xfail(f"{verdict.reason} ({verdict.link})")
        if verdict.status == SKIPPED:
            pytest.skip(verdict.reason)
        if verdict.status == BLOCKED:
            pytest.skip(f"because of {verdict.reason}")
        return verdict

    def __repr__(self) -> str:
        return f"{_name(self.wanted)}-{self.name}"


def parametrize(*wanted: str | Backbone) -> Callable[[Any], Any]:
    """Return a decorator that runs a test, whose argument is called `check`, once per check of each backbone."""
    found = cases(wanted)
    return pytest.mark.parametrize("check", found, ids=map(repr, found))


def cases(wanted: Iterable[str | Backbone]) -> list[Check]:
    """Return every check of every backbone."""
    return [Check(one, definition) for one in wanted for definition in checks()]


def told(verdict: Verdict) -> str:
    """Return what a check demands, what is wrong, and the lines to change."""
    faults = [f"  {fault.text}\n    change: {fault.change}" for fault in verdict.faults]
    return "\n".join([f"{verdict.check}: {verdict.demand}", *faults])


def _subject(wanted: str | Backbone) -> Subject:
    """Return what the checks of a backbone share; the one before is given up, since networks are large."""
    is_same = bool(_latest) and (_latest[0].wanted is wanted or (isinstance(wanted, str) and _latest[0].wanted == wanted))
    if not is_same:
        _latest[:] = [Subject(wanted)]
    return _latest[0]


def _name(wanted: str | Backbone) -> str:
    return wanted if isinstance(wanted, str) else wanted.name
