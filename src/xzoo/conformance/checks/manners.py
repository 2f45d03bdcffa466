"""What a network does beside its work, from its making to its last step."""

from __future__ import annotations

from collections.abc import Iterator

from xzoo.conformance.check import check
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault

_MOST = 5


def _all_passes(on: Subject) -> None:
    """Have every pass made that is listened to; what fails is told by the checks that ask for its outcome."""
    _ = on.built
    for make in (lambda: on.seen, lambda: on.trained):
        try:
            make()
        except Exception:
            return


@check
def quiet(on: Subject) -> Iterator[Fault]:
    """Nothing is printed and nothing warned of, from build() to training."""
    _all_passes(on)
    told: dict[str, str] = {}
    for heard in on.heard:
        if heard.printed:
            told.setdefault(f"{heard.during} prints {' '.join(heard.printed.split())[:120]!r}", "take print() out")
        for warning in heard.warned:
            told.setdefault(f"{heard.during} warns: {warning}", "do what the warning asks for, or silence it where it is raised")
    for text, line in list(told.items())[:_MOST]:
        yield Fault(text, line)


@check
def leaves_process(on: Subject) -> Iterator[Fault]:
    """Building and computing leave torch's settings and functions, random streams, environment and process as they were."""
    _all_passes(on)
    told = dict.fromkeys((heard.during, changed) for heard in on.heard for changed in heard.changed)
    for during, changed in list(told)[:_MOST]:
        yield Fault(f"{during} {changed}", "change nothing that all code in a process shares; wrap what you need in a context")


@check
def computes_offline(on: Subject) -> Iterator[Fault]:
    """Computing touches neither the network nor files."""
    _all_passes(on)
    touched = [
        (heard.during, what) for heard in on.heard for what in heard.touched if heard.during not in {"build()", "reading weights"}
    ]
    for during, what in list(dict.fromkeys(touched))[:_MOST]:
        yield Fault(f"{during} {what}", "read and write nothing in forward(), stages() and make()")
