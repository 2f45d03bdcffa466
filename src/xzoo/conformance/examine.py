"""Every check on one backbone, in this process: what each says, told as it says it."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from xzoo.conformance.check import Definition, checks
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
    Verdict,
)
from xzoo.errors import XzooError
from xzoo.zoo.spec import ExpectedFailure
from xzoo.zoo.wording import told

_OURS = str(Path(__file__).parents[1])


def judge(subject: Subject, one: Definition) -> Verdict:
    """Carry out one check, and return what it says with all faults that it found."""
    subject.kept.current = one.name
    began = time.perf_counter()
    faults: list[Fault] = []
    notes: list[str] = []
    status, reason = PASSED, ""
    try:
        for found in one.find(subject):
            if isinstance(found, Note):
                notes.append(found.text)
            else:
                faults.append(found)
    except BlockedError as error:
        status, reason = BLOCKED, error.by
    except InapplicableError as error:
        status, reason = SKIPPED, str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may raise anything, SystemExit included
        faults.append(_fault(error))
    if faults:
        status = FAILED
        subject.failed.add(one.name)
    else:
        subject.kept.forget_failures()
    seconds = time.perf_counter() - began
    verdict = Verdict(
        check=one.name, demand=one.demand, status=status, faults=tuple(faults), notes=tuple(notes), reason=reason, seconds=seconds
    )
    return excused(verdict, expected(subject).get(one.name))


def expected(subject: Subject) -> dict[str, ExpectedFailure]:
    """Return the failures that the backbone declares, by check; none where its declaration cannot be had."""
    try:
        return {one.check: one for one in subject.backbone.expected_failures}
    except (Exception, BlockedError):
        return {}


def excused(verdict: Verdict, failure: ExpectedFailure | None) -> Verdict:
    """Return the verdict as a declared failure makes it."""
    status = {FAILED: EXPECTED, PASSED: UNEXPECTED}.get(verdict.status)
    if failure is None or status is None:
        return verdict
    return replace(verdict, status=status, reason=failure.reason, link=failure.link)


def serve(request: dict[str, Any], tell: Callable[[Any], None]) -> None:
    """Carry out the checks but those in `request["done"]`, in an isolated process; tell what begins and what it says."""
    subject = Subject(request["wanted"], request["failed"])
    is_first = True
    for one in checks():
        if one.name not in request["done"]:
            tell({"begins": one.name, "demand": one.demand})
            tell({"verdict": msgspec.to_builtins(judge(subject, one))})
        if is_first:
            tell({"expected": msgspec.to_builtins(list(expected(subject).values()))})
            is_first = False
    unit = 1 if sys.platform == "darwin" else 2**10
    tell({"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20})


def _fault(error: BaseException) -> Fault:
    """Return what a check met instead of an answer, and the place in the network's code that raised it."""
    if isinstance(error, XzooError):
        return Fault(error.text, error.remedy)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_OURS)]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return Fault(f"{told(error)}{place}", "make this work, or correct the declaration that leads there")
