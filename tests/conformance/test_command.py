"""`xzoo plugins check` as its users run it: every backbone in a process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xzoo.cli import check, main
from xzoo.conformance.verdicts import BLOCKED, EXPECTED, FAILED, PASSED, UNEXPECTED, Examination, Fault, Verdict


def test_a_crash_is_told_of_its_backbone_and_the_others_go_on(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["plugins", "check", "planted-crashing", "sound", "--format", "json"])
    answer = json.loads(capsys.readouterr().out)
    assert (code, answer["schema"], answer["holds"]) == (1, "xzoo.check/1", False)
    crashing, sound = answer["backbones"]
    [wrong] = [one for one in crashing["verdicts"] if one["status"] == "failed"]
    assert wrong["check"] == "builds"
    assert "segmentation fault" in wrong["faults"][0]["text"]
    assert {one["reason"] for one in crashing["verdicts"] if one["status"] == "blocked"} == {"builds"}
    assert (crashing["holds"], sound["holds"]) == (False, True)
    assert sound["peak_memory_mb"] > 0
    assert not {"failed", "blocked"} & {one["status"] for one in sound["verdicts"]}


def test_what_says_no_stands_with_the_line_to_change() -> None:
    fault = Fault("1 parameters are in no stage: layer1.conv.bias", "stages={..., 'layer1': (..., 'layer1.conv')}")
    verdicts = (
        Verdict(check="stages-cover", demand="Stages hold every parameter.", status=FAILED, faults=(fault,)),
        Verdict(
            check="exports", demand="It is traced.", status=EXPECTED, faults=(fault,), reason="known", link="https://e.org/1"
        ),
        Verdict(check="quiet", demand="Nothing is printed.", status=UNEXPECTED, reason="known", link="https://e.org/2"),
        Verdict(check="params", demand="They are counted.", status=BLOCKED, reason="builds"),
        Verdict(check="builds", demand="It builds.", status=PASSED),
    )
    found = Examination(name="net", verdicts=verdicts, fault="was killed", output="one\ntwo", seconds=3.4, peak_memory_mb=700.2)
    assert list(check.lines(found)) == [
        "net: NO; 2 passed, 1 said no, 1 failed as declared, 1 not carried out (3 s, 700 MB)",
        "  stages-cover: Stages hold every parameter.",
        "    1 parameters are in no stage: layer1.conv.bias",
        "      change: stages={..., 'layer1': (..., 'layer1.conv')}",
        "  exports: fails as declared: known (https://e.org/1)",
        "  quiet: passes, and is declared to fail (https://e.org/2): take it out of expected_failures",
        "  its process was killed",
        "    one",
        "    two",
    ]


def test_declared_failures_hold_and_a_no_does_not() -> None:
    held = Verdict(check="exports", demand="It is traced.", status=EXPECTED, reason="known")
    assert Examination(name="net", verdicts=(held,)).holds
    assert not Examination(name="net", verdicts=(held,), fault="was killed").holds
    assert not Examination(name="net", verdicts=(held, Verdict(check="a", demand="It.", status=FAILED))).holds
