"""Backbones examined each in a process of its own: what ends that process is told of the one it belongs to. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from xzoo.conformance.verdicts import EXPECTED, FAILED, Examination, Fault, Verdict
from xzoo.errors import PluginError, UsageError
from xzoo.zoo import isolation
from xzoo.zoo.isolation import Limits
from xzoo.zoo.registry import Registry
from xzoo.zoo.wording import did_you_mean

LIMITS = Limits(seconds=600.0, memory_mb=16_000)
"""Of one check, and of a process."""

_MOST_PROCESSES = 4
_GLOB = set("*?[")


@dataclass
class _Heard:
    """What the processes of one backbone have told so far. `at_work` is the check that has begun and not ended."""

    verdicts: list[Verdict] = field(default_factory=list)
    expected: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    at_work: tuple[str, str] | None = None
    peak_memory_mb: float = 0.0

    def take(self, answer: Mapping[str, Any]) -> None:
        if "begins" in answer:
            self.at_work = answer["begins"], answer["demand"]
        elif "verdict" in answer:
            self.verdicts.append(msgspec.convert(answer["verdict"], Verdict))
            self.at_work = None
        elif "expected" in answer:
            self.expected = {one["check"]: one for one in answer["expected"]}
        else:
            self.peak_memory_mb = max(self.peak_memory_mb, float(answer["peak_memory_mb"]))


def examine(name: str, limits: Limits = LIMITS) -> Examination:
    """Carry out every check on a backbone. One that ends its process says no, and the rest is carried out in another."""
    heard, seconds = _Heard(), 0.0
    for _ in range(_MOST_PROCESSES):
        done = len(heard.verdicts)
        failed = [one.check for one in heard.verdicts if one.status in (FAILED, EXPECTED)]
        request = {"wanted": name, "done": [one.check for one in heard.verdicts], "failed": failed}
        ending = isolation.run("xzoo.conformance.examine:serve", request, limits, heard.take)
        seconds += ending.seconds
        if ending.fault and heard.at_work:
            heard.verdicts.append(_ended(heard, ending.fault))
            heard.at_work = None
        if not ending.fault or done + 1 >= len(heard.verdicts) <= 1:
            # What ends the process before anything is told would end the next one too.
            break
    return Examination(
        name=name,
        verdicts=tuple(heard.verdicts),
        fault=f"{ending.fault}: the rest was not carried out" if ending.fault else "",
        output=ending.output if ending.fault else "",
        seconds=seconds,
        peak_memory_mb=heard.peak_memory_mb,
    )


def _ended(heard: _Heard, fault: str) -> Verdict:
    """Return the verdict of a check during which the process ended."""
    assert heard.at_work is not None
    check, demand = heard.at_work
    failure = heard.expected.get(check)
    return Verdict(
        check=check,
        demand=demand,
        status=EXPECTED if failure else FAILED,
        faults=(Fault(f"it {fault}", "raise an error that says what is wrong, and never end the process"),),
        reason=failure["reason"] if failure else "",
        link=failure["link"] if failure else "",
    )


def named(words: Iterable[str]) -> Iterator[str]:
    """Yield the names that words mean: themselves, and for those with *, ? or [ what matches, a family's members included.

    A family lists its members in a process of its own. Raises UsageError where nothing matches, PluginError where a list fails.
    """
    registry = Registry.installed()
    for word in words:
        if not _GLOB & set(word):
            yield word
            continue
        family = word.partition("/")[0]
        names = _members(family) if "/" in word else registry.names()
        found = [name for name in names if fnmatchcase(name, word)]
        if not found:
            hint = did_you_mean(family, registry.names())
            raise UsageError(f"no backbone matches {word!r}", f"{hint}`xzoo list` shows all")
        yield from found


def _members(family: str) -> list[str]:
    ending = isolation.run("xzoo.conformance.declaring:members", {"family": family})
    if ending.fault:
        raise PluginError(f"the family {family!r}, asked for its names, {ending.fault}", "`xzoo plugins` tells whose it is")
    return [name for names in ending.answers for name in names]
