"""Base against head on this machine: red where a benchmark became slower by more than 2%, in two independent turns.

    python tests/benchmarks/gate.py BASE HEAD [--work "inference resnet18 1"] [--pairs 5] [--rounds 12] [--json FILE]

BASE and HEAD are git revisions, or folders with src/ and plugins/. Exits 1 where anything is slower, else 0; a benchmark whose
A/A control is off by more than 2% is `inconclusive`, which is its own word and no failure. 2: a side that is not there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pairing import decision
from pairing.decision import Turn, as_json, exit_code, turns_until_clear
from pairing.sides import can_be_timed, laid_out
from pairing.turns import Work, facts, turn

WORKS = ("inference resnet18 1", "inference mlp 16", "train-finetune resnet18 8", "train-frozen resnet18 32")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print a line for each benchmark, write the JSON, and return the exit code."""
    asked = parse(arguments)
    with laid_out(asked.base, asked.head) as (base, head):
        missing = [side for side, folder in ((asked.base, base), (asked.head, head)) if not can_be_timed(folder)]
        found = [] if missing else [judged(base, head, read(text), asked) for text in asked.work or WORKS]
    for side in missing:
        print(f"nothing to compare: {side} is from before the workloads", flush=True)
    verdicts = [one["verdict"] for one in found]
    word = next((word for word in ("slower", "inconclusive") if word in verdicts), "not slower" if found else "inconclusive")
    report = {"schema": "xzoo.gate/1", "verdict": word, "allowed": decision.ALLOWED, "benchmarks": found, "machine": facts()}
    if asked.json:
        Path(asked.json).write_text(json.dumps(report, indent=1), "utf-8")
    print(f"verdict: {word}")
    return exit_code(verdicts)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--work", action="append", metavar="'WORK BACKBONE BATCH'", help=f"default: {', '.join(WORKS)}")
    parser.add_argument("--pairs", type=int, default=decision.FEWEST_PAIRS, help="fresh processes of each side in a turn")
    parser.add_argument("--rounds", type=int, default=12, help="alternations within a pair")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    if asked.pairs < decision.FEWEST_PAIRS:
        parser.error(f"the instance is the random unit, so at least {decision.FEWEST_PAIRS} pairs are needed")
    return asked


def read(text: str) -> Work:
    """Return the work that the words mean."""
    name, backbone, batch = text.split()
    return Work(name, backbone, int(batch))


def judged(base: Path, head: Path, work: Work, asked: argparse.Namespace) -> dict[str, Any]:
    """Measure one benchmark in as many turns as its verdict needs, and tell it."""

    def measure(_: int) -> Turn:
        return turn(base, head, work, pairs=asked.pairs, rounds=asked.rounds)

    found = as_json(str(work), turns_until_clear(measure))
    for number, one in enumerate(found["turns"], 1):
        ratio, control = one["ratio"], one["control"]
        print(
            f"{work}, turn {number}: head/base {ratio['value']:.3f} ({ratio['low']:.3f}-{ratio['high']:.3f}), "
            f"slower by at least {ratio['bound'] - 1:+.1%}; A/A {control['value']:.3f}; n {ratio['n']} pairs"
        )
    note = {"inconclusive": " (like and like differ by more than is allowed; run it on a quieter machine)"}
    print(f"{work}: {found['verdict']}{note.get(found['verdict'], '')}", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
