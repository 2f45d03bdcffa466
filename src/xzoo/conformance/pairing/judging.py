"""One benchmark judged: as many turns as its verdict needs, the figures it rests on, and both in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from xzoo.conformance.pairing.decision import Turn, as_json, turns_until_clear
from xzoo.conformance.pairing.turns import Work, turn

ROUNDS = 12
"""Alternations within a pair of processes."""

_NOTES = {"inconclusive": " (like and like differ by more than is allowed; run it on a quieter machine)"}


def judged(base: Path, head: Path, work: Work, *, pairs: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure head against base, with base against itself as the control, and return the verdict with its figures."""

    def measure(_: int) -> Turn:
        return turn(base, head, work, pairs=pairs, rounds=rounds)

    return as_json(str(work), turns_until_clear(measure))


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each turn, then the verdict."""
    for number, one in enumerate(found["turns"], 1):
        ratio, control = one["ratio"], one["control"]
        yield (
            f"{found['name']}, turn {number}: head/base {ratio['value']:.3f} ({ratio['low']:.3f}-{ratio['high']:.3f}), "
            f"slower by at least {ratio['bound'] - 1:+.1%}; A/A {control['value']:.3f}; n {ratio['n']} pairs"
        )
    yield f"{found['name']}: {found['verdict']}{_NOTES.get(found['verdict'], '')}"
