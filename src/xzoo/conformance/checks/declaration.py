"""What happens when a plugin is asked for its declaration, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator

from xzoo.conformance.check import check
from xzoo.conformance.declaring import HEAVY
from xzoo.conformance.subject import PATIENT, Subject
from xzoo.conformance.verdicts import BlockedError, Fault
from xzoo.zoo import isolation
from xzoo.zoo.identity import identity

SLOW_S = 2.0


@check
def declared(on: Subject) -> Iterator[Fault]:
    """The name leads to one declaration that bears it, and a family lists each of its names once and refuses others."""
    if not isinstance(on.wanted, str):
        _ = on.choice
        return
    found = on.declared
    if found["error"]:
        yield Fault(found["error"], found["remedy"])
        return
    _ = on.choice
    family = found["family"]
    if family.get("twice"):
        yield Fault(f"names() lists {', '.join(family['twice'])} more than once", "list each name once in names()")
    if family.get("count") and not family["has"]:
        yield Fault("names() does not list this name, and get() declares it", "add the name to names(), or let get() raise")
    if family.get("count") and family.get("invents"):
        yield Fault(
            "get() declares a network under a name that nobody has given one", "let get() raise KeyError for names not listed"
        )


@check
def declares_without_torch(on: Subject) -> Iterator[Fault]:
    """Declaring imports no torch and nothing as heavy."""
    imported = on.declared["imported"]
    if imported:
        yield Fault(
            f"declaring imports {', '.join(imported)}",
            f"import {imported[0]} inside build(), not at the head of the plugin's module",
        )
    assert set(imported) <= set(HEAVY)


@check
def declares_offline(on: Subject) -> Iterator[Fault]:
    """Declaring touches neither the network nor files beside the plugin's own."""
    _rest_on_light_imports(on)
    for touched in dict.fromkeys(on.declared["touched"]):
        yield Fault(
            f"declaring {touched}", "take it out of the plugin's module and its hook; published files belong in weights=[...]"
        )


@check
def declares_quietly(on: Subject) -> Iterator[Fault]:
    """Declaring prints nothing, warns of nothing, and leaves the process as it was."""
    found = on.declared
    if found["printed"]:
        yield Fault(f"declaring prints {found['printed'][:200]!r}", "take print() out of the plugin's module and its hook")
    for what in (*found["warned"], *found["changed"]):
        yield Fault(
            f"declaring {'warns: ' if what in found['warned'] else ''}{what}", "take the cause out of the plugin's module"
        )


@check
def declares_soon(on: Subject) -> Iterator[Fault]:
    """Declaring takes less than two seconds."""
    _rest_on_light_imports(on)
    if on.declared["seconds"] <= SLOW_S:
        return
    assert isinstance(on.wanted, str)
    # A machine that was busy for a moment is no plugin's fault.
    again = isolation.run("xzoo.conformance.declaring:declare", {"wanted": on.wanted}, PATIENT)
    seconds = min([on.declared["seconds"], *(one["seconds"] for one in again.answers if "seconds" in one)])
    if seconds > SLOW_S:
        yield Fault(f"declaring takes {seconds:.1f} s", "do the work inside build(), or ship its outcome as a table")


@check
def declares_the_same(on: Subject) -> Iterator[Fault]:
    """Two interpreters get the same declaration, so that results are found again."""
    if on.declared["error"]:
        return
    if on.declared["identity"] != identity(on.choice):
        yield Fault(
            "the declaration is another in each interpreter",
            "declare with functions, functools.partial and plain values; no objects that print their address, no sets, no clock",
        )


def _rest_on_light_imports(on: Subject) -> None:
    """Raise BlockedError where what torch does on import would be told of the plugin."""
    if on.declared["imported"]:
        raise BlockedError("declares-without-torch")
