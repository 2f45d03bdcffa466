"""How a check's outcome becomes a verdict, and a verdict the outcome of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

import xzoo
from xzoo.conformance.cases import Check
from xzoo.conformance.check import Definition
from xzoo.conformance.examine import judge
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import (
    BLOCKED,
    EXPECTED,
    FAILED,
    PASSED,
    SKIPPED,
    UNEXPECTED,
    BlockedError,
    Fault,
    InapplicableError,
    Note,
)

Find = Callable[[Subject], Iterator[Fault | Note]]


def fine(on: Subject) -> Iterator[Note]:
    yield Note("seen")


def wrong(on: Subject) -> Iterator[Fault]:
    yield Fault("one thing", "change it")
    yield Fault("another", "change that")


def breaks_down(on: Subject) -> Iterator[Fault]:
    yield Fault("one thing", "change it")
    raise SystemExit(3)


def has_nothing(on: Subject) -> Iterator[Fault]:
    raise InapplicableError("nothing is there")
    yield


def is_blocked(on: Subject) -> Iterator[Fault]:
    raise BlockedError("builds")
    yield


def definition(find: Find) -> Definition:
    return Definition("it", "It holds.", find)


@pytest.mark.parametrize(
    ("find", "status"),
    [(fine, PASSED), (wrong, FAILED), (breaks_down, FAILED), (has_nothing, SKIPPED), (is_blocked, BLOCKED)],
)
def test_a_check_has_one_outcome(find: Find, status: str, tiny: xzoo.Backbone) -> None:
    assert judge(Subject(tiny), definition(find)).status == status


def test_all_faults_are_gathered_and_what_ends_the_check_is_one_of_them(tiny: xzoo.Backbone) -> None:
    assert [fault.text for fault in judge(Subject(tiny), definition(wrong)).faults] == ["one thing", "another"]
    faults = judge(Subject(tiny), definition(breaks_down)).faults
    assert [fault.text.partition(" (")[0] for fault in faults] == ["one thing", "SystemExit: 3"]


def excused(tiny: xzoo.Backbone) -> xzoo.Backbone:
    return replace(tiny, expected_failures=[xzoo.ExpectedFailure("it", "known", "https://example.org/1")])


@pytest.mark.parametrize(
    ("find", "status"),
    [(fine, UNEXPECTED), (wrong, EXPECTED), (breaks_down, EXPECTED), (has_nothing, SKIPPED), (is_blocked, BLOCKED)],
)
def test_a_declared_failure_excuses_a_no_and_a_yes_is_told(find: Find, status: str, tiny: xzoo.Backbone) -> None:
    verdict = judge(Subject(excused(tiny)), definition(find))
    assert verdict.status == status
    assert ((verdict.reason, verdict.link) == ("known", "https://example.org/1")) == (status in {UNEXPECTED, EXPECTED})


def test_what_could_not_be_made_is_told_once_and_later_checks_point_to_it(tiny: xzoo.Backbone) -> None:
    def build() -> object:
        raise OSError("no")

    subject = Subject(replace(tiny, build=build))  # type: ignore[arg-type]

    def look(on: Subject) -> Iterator[Fault]:
        assert on.built
        yield from ()

    first = judge(subject, Definition("builds", "It builds.", look))
    second = judge(subject, Definition("later", "It holds.", look))
    assert (first.status, second.status, second.reason) == (FAILED, BLOCKED, "builds")
    assert "OSError: no (test_examine.py" in first.faults[0].text


@pytest.mark.parametrize(
    ("find", "outcome"),
    [(wrong, pytest.fail.Exception), (has_nothing, pytest.skip.Exception), (is_blocked, pytest.skip.Exception)],
)
def test_a_check_called_in_a_test_ends_it(find: Find, outcome: type[BaseException], tiny: xzoo.Backbone) -> None:
    with pytest.raises(outcome):
        Check(tiny, definition(find))()


def test_a_failing_test_says_what_to_change_and_an_excused_one_why(tiny: xzoo.Backbone) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?s)it: It holds.*one thing\n +change: change it\n.*another"):
        Check(tiny, definition(wrong))()
    with pytest.raises(pytest.xfail.Exception, match=r"known \(https://example.org/1\)"):
        Check(excused(tiny), definition(wrong))()
    assert Check(tiny, definition(fine))().notes == ("seen",)
