"""The planted distribution, installed for a test as tests/dists are, and single checks of a backbone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xzoo.conformance.verdicts import Verdict

PLANTED = Path(__file__).parent / "planted"
Ask = Callable[[str, str], Verdict]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the planted distribution, on `sys.path`."""
    monkeypatch.syspath_prepend(str(PLANTED))
    return PLANTED


@pytest.fixture
def ask(planted: Path) -> Ask:
    """Carry out one check, by name, on a backbone of the planted distribution."""
    from xzoo.conformance.check import checks
    from xzoo.conformance.examine import judge
    from xzoo.conformance.subject import Subject

    definitions = {one.name: one for one in checks()}
    subjects: dict[str, Subject] = {}

    def of(name: str, check: str) -> Verdict:
        return judge(subjects.setdefault(name, Subject(name)), definitions[check])

    return of
