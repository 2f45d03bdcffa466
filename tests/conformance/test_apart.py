"""Backbones examined in processes of their own: what ends one of them is told, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xzoo.conformance import apart
from xzoo.conformance.verdicts import EXPECTED, FAILED, PASSED, Examination
from xzoo.errors import UsageError

Answers = Sequence[dict[str, Any]]


def begins(check: str) -> dict[str, Any]:
    return {"begins": check, "demand": "It holds."}


def passes(check: str) -> dict[str, Any]:
    return {"verdict": {"check": check, "demand": "It holds.", "status": PASSED}}


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[tuple[Answers, str]]], list[dict[str, Any]]]:
    """Let processes answer as they are told, one after the other; returned are the requests that they get."""

    def script(processes: Sequence[tuple[Answers, str]]) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = []

        def run(task: str, request: dict[str, Any], limits: object, on_answer: Callable[[Any], object]) -> SimpleNamespace:
            answers, fault = processes[len(requests)]
            requests.append(request)
            for answer in answers:
                on_answer(answer)
            return SimpleNamespace(fault=fault, output="its last words", seconds=1.0)

        monkeypatch.setattr("xzoo.conformance.apart.isolation.run", run)
        return requests

    return script


def statuses(found: Examination) -> dict[str, str]:
    return {one.check: one.status for one in found.verdicts}


CRASH = "ended the process with a segmentation fault"


def test_a_check_that_ends_its_process_says_no_and_the_rest_is_carried_out_in_another(scripted: Callable[..., Any]) -> None:
    first = ([begins("a"), passes("a"), begins("b")], CRASH)
    requests = scripted([first, ([begins("c"), passes("c"), {"peak_memory_mb": 7.0}], "")])
    found = apart.examine("net")
    assert statuses(found) == {"a": PASSED, "b": FAILED, "c": PASSED}
    assert CRASH in found.verdicts[1].faults[0].text
    assert [request["done"] for request in requests] == [[], ["a", "b"]]
    assert requests[1]["failed"] == ["b"]
    assert not found.holds
    assert (found.fault, found.peak_memory_mb, found.seconds) == ("", 7.0, 2.0)


def test_a_declared_crash_is_a_declared_failure(scripted: Callable[..., Any]) -> None:
    told = {"expected": [{"check": "b", "reason": "known", "link": "https://example.org"}]}
    scripted([([begins("a"), passes("a"), told, begins("b")], CRASH), ([], "")])
    found = apart.examine("net")
    assert statuses(found) == {"a": PASSED, "b": EXPECTED}
    assert found.verdicts[1].reason == "known"
    assert found.holds


def test_what_ends_the_process_at_once_is_not_tried_again(scripted: Callable[..., Any]) -> None:
    requests = scripted([([begins("a")], "ended the process with exit code 0")])
    found = apart.examine("net")
    assert len(requests) == 1
    assert statuses(found) == {"a": FAILED}
    assert found.fault
    assert found.output == "its last words"


def test_a_backbone_that_ends_every_process_is_given_up(scripted: Callable[..., Any]) -> None:
    processes = [([begins("a"), passes("a"), begins("b")], CRASH)]
    processes += [([begins(name), passes(name), begins(f"{name}2")], CRASH) for name in "cdefgh"]
    requests = scripted(processes)
    assert "was not carried out" in apart.examine("net").fault
    assert len(requests) == 4


def test_words_with_stars_mean_all_that_match(planted: Path) -> None:
    assert list(apart.named(["resnet18", "sound-[ht]*"])) == ["resnet18", "sound-heads", "sound-tokens"]
    assert list(apart.named(["planted-greedy/t*"])) == ["planted-greedy/two"]


@pytest.mark.parametrize("word", ["nothing-like-it*", "resnet*/x", "planted-greedy/z*"])
def test_words_that_nothing_matches_are_refused(planted: Path, word: str) -> None:
    with pytest.raises(UsageError, match="no backbone matches"):
        list(apart.named([word]))
