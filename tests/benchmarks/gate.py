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

from xzoo.conformance.pairing import decision
from xzoo.conformance.pairing.decision import exit_code
from xzoo.conformance.pairing.judging import ROUNDS, judged, lines
from xzoo.conformance.pairing.sides import can_be_timed, laid_out
from xzoo.conformance.pairing.turns import Work, facts
from xzoo.errors import UsageError

ROOT = Path(__file__).parents[2]

WORKS = ("inference resnet18 1", "inference mlp 16", "train-finetune resnet18 8", "train-frozen resnet18 32")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print a line for each benchmark, write the JSON, and return the exit code."""
    asked = parse(arguments)
    try:
        missing, found = compared(asked)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    for side in missing:
        print(f"nothing to compare: {side} is from before the workloads", flush=True)
    verdicts = [one["verdict"] for one in found]
    word = next((word for word in ("slower", "inconclusive") if word in verdicts), "not slower" if found else "inconclusive")
    report = {"schema": "xzoo.gate/1", "verdict": word, "allowed": decision.ALLOWED, "benchmarks": found, "machine": facts()}
    if asked.json:
        Path(asked.json).write_text(json.dumps(report, indent=1), "utf-8")
    print(f"verdict: {word}")
    return exit_code(verdicts)


def compared(asked: argparse.Namespace) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the sides that cannot be timed, and where there is none the verdicts, each printed as it comes."""
    found = []
    with laid_out(asked.base, asked.head, repository=ROOT, folders=("src", "plugins")) as (base, head):
        missing = [side for side, folder in ((asked.base, base), (asked.head, head)) if not can_be_timed(folder)]
        for text in () if missing else asked.work or WORKS:
            found.append(judged(base, head, read(text), pairs=asked.pairs, rounds=asked.rounds))
            print(*lines(found[-1]), sep="\n", flush=True)
    return missing, found


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--work", action="append", metavar="'WORK BACKBONE BATCH'", help=f"default: {', '.join(WORKS)}")
    parser.add_argument("--pairs", type=int, default=decision.FEWEST_PAIRS, help="fresh processes of each side in a turn")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="alternations within a pair")
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    if asked.pairs < decision.FEWEST_PAIRS:
        parser.error(f"the instance is the random unit, so at least {decision.FEWEST_PAIRS} pairs are needed")
    return asked


def read(text: str) -> Work:
    """Return the work that the words mean."""
    name, backbone, batch = text.split()
    return Work(name, backbone, int(batch))


if __name__ == "__main__":
    sys.exit(main())
