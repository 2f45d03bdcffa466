"""`xzoo plugins check`: what every backbone must pass, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from xzoo.cli.frame import emit, format_option, say

if TYPE_CHECKING:
    from xzoo.conformance.verdicts import Examination, Verdict

SAYS_NO = 1


@click.command("check")
@click.argument("names", nargs=-1, required=True)
@click.option("--seconds", type=click.FloatRange(min=1), default=600.0, metavar="S", help="Time that one check may take.")
@click.option("--memory", type=click.FloatRange(min=0.5), default=16.0, metavar="GB", help="Memory that one backbone may take.")
@format_option
@click.pass_context
def command(context: click.Context, names: tuple[str, ...], seconds: float, memory: float, form: str) -> None:
    """Hold NAMES ([distribution:]name, or ./file.py:name, also with * and ?) against the contract of plugins.

    Each is examined in a process of its own. Exits with 1 where a check says no.
    """
    from xzoo.conformance import apart
    from xzoo.zoo.isolation import Limits

    limits = Limits(seconds=seconds, memory_mb=int(memory * 1000))
    found = []
    for name in dict.fromkeys(apart.named(names)):
        say(f"checking {name}")
        found.append(apart.examine(name, limits))
    is_json = "json" in (form, context.parent.params.get("form") if context.parent else None)
    value = {"schema": "xzoo.check/1", "holds": all(one.holds for one in found), "backbones": [_plain(one) for one in found]}
    emit(value, "json" if is_json else "text", lambda: "\n".join(line for one in found for line in lines(one)))
    if not all(one.holds for one in found):
        raise Exit(SAYS_NO)


def _plain(found: Examination) -> dict[str, object]:
    import msgspec

    return {**msgspec.to_builtins(found), "holds": found.holds}


def lines(found: Examination) -> Iterator[str]:
    """Yield what was found of one backbone: a line of counts, and each no with the line to change."""
    from xzoo.conformance.verdicts import BLOCKED, EXPECTED, FAILED, PASSED, SKIPPED, UNEXPECTED

    counts = {
        "passed": found.count(PASSED, UNEXPECTED),
        "said no": found.count(FAILED),
        "failed as declared": found.count(EXPECTED),
        "not carried out": found.count(BLOCKED),
        "had nothing to look at": found.count(SKIPPED),
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    yield f"{found.name}: {'ok' if found.holds else 'NO'}; {told} ({found.seconds:.0f} s, {found.peak_memory_mb:.0f} MB)"
    for verdict in found.verdicts:
        yield from _of_one(verdict)
    if found.fault:
        yield f"  its process {found.fault}"
        yield from (f"    {line}" for line in found.output.splitlines()[-8:])


def _of_one(verdict: Verdict) -> Iterator[str]:
    from xzoo.conformance.verdicts import EXPECTED, FAILED, UNEXPECTED

    if verdict.status == FAILED:
        yield f"  {verdict.check}: {verdict.demand}"
        for fault in verdict.faults:
            yield f"    {fault.text}"
            yield f"      change: {fault.change}"
    elif verdict.status == EXPECTED:
        yield f"  {verdict.check}: fails as declared: {verdict.reason} ({verdict.link})"
    elif verdict.status == UNEXPECTED:
        yield f"  {verdict.check}: passes, and is declared to fail ({verdict.link}): take it out of expected_failures"
