"""How good the gate is here: like against like, and against a copy that really does more work, both many times over.

    python tests/benchmarks/gate_quality.py [--trials 20] [--slower 0.05] [--work "inference resnet18 1"] [--json FILE]

The slow copy's source has matrix products before every forward pass, as many as were measured, once and beforehand, to take the
wanted share; no time is edited. A trial is a verdict of the gate with all its turns, on a set of processes of its own: base, its
control, an identical copy and the slow one, all alive together.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gate import read
from xzoo.conformance.pairing.decision import FEWEST_PAIRS, Turn, judge, ratio_of
from xzoo.conformance.pairing.sides import laid_out
from xzoo.conformance.pairing.turns import Work, compared, facts

ROOT = Path(__file__).parents[2]
PROBE = 400
SLOWED = """

import torch as _torch

_A, _B = _torch.ones(48, 48), _torch.ones(48, 48)
_outputs = Classifier.outputs


def _with_more_work(self, images_BCHW):
    for _ in range({count}):
        _torch.mm(_A, _B)
    return _outputs(self, images_BCHW)


Classifier.outputs = _with_more_work
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign, print it and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", default=str(ROOT), help="a revision or folder; default: this tree")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--slower", type=float, default=0.05)
    parser.add_argument("--work", default="inference resnet18 1")
    parser.add_argument("--pairs", type=int, default=FEWEST_PAIRS)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--json", metavar="FILE")
    asked = parser.parse_args(arguments)
    work = read(asked.work)
    with laid_out(*[asked.side] * 4, repository=ROOT, folders=("src", "plugins")) as (base, control, same, slow):
        count = slow_down(base, slow, work, asked)
        print(f"{asked.work}: {count} products for {asked.slower:.0%}; load {facts()['load']:.1f}", flush=True)
        trials = [trial([base, control, same, slow], work, asked, number) for number in range(asked.trials)]
    report = {"schema": "xzoo.gate-quality/1", "asked": vars(asked), "machine": facts(), "products": count, **summary(trials)}
    if asked.json:
        Path(asked.json).write_text(json.dumps({**report, "trials": trials}, indent=1), "utf-8")
    print(json.dumps(report, indent=1))
    return 0


def slow_down(base: Path, slow: Path, work: Work, asked: argparse.Namespace) -> int:
    """Write the extra work into the slow copy, and return how many products it is: from what they were seen to cost, twice."""
    source = slow / "src" / "xzoo" / "model" / "classifier.py"
    plain, count = source.read_text("utf-8"), PROBE
    for _ in range(2):
        source.write_text(plain + SLOWED.format(count=count), "utf-8")
        [seen] = compared([base, slow], work, pairs=asked.pairs, rounds=asked.rounds)
        share: float = asked.slower / math.expm1(statistics.fmean(seen))
        count = max(1, round(count * share))
    source.write_text(plain + SLOWED.format(count=count), "utf-8")
    return count


def trial(trees: Sequence[Path], work: Work, asked: argparse.Namespace, number: int) -> dict[str, Any]:
    """Return the verdicts on the identical and on the slow copy, each of two turns with a common control, and all log ratios."""
    turns = [compared(trees, work, pairs=asked.pairs, rounds=asked.rounds) for _ in range(2)]
    control, same, slow = ([columns[place] for columns in turns] for place in range(3))
    verdicts = {name: verdict(log_ratios, control) for name, log_ratios in (("same", same), ("slow", slow))}
    ratios = ", ".join(f"{ratio_of(one).value:.3f}" for one in [*control, *same, *slow])
    print(f"trial {number + 1}: {verdicts}; A/A, same, slow in two turns: {ratios}; load {facts()['load']:.1f}", flush=True)
    return {"verdicts": verdicts, "control": control, "same": same, "slow": slow, "load": facts()["load"]}


def verdict(log_ratios: Sequence[Sequence[float]], control: Sequence[Sequence[float]]) -> str:
    """Return the gate's verdict, which looks at a second turn only where the first found a slow-down."""
    turns = [Turn(ratio_of(one), ratio_of(other)) for one, other in zip(log_ratios, control, strict=True)]
    return judge(turns if turns[0].is_sound and turns[0].is_slower else turns[:1])


def summary(trials: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how often each verdict came, the true slow-down, and the errors of single pairs of like and like."""
    pairs = sorted(
        abs(math.expm1(value)) for one in trials for name in ("control", "same") for turn in one[name] for value in turn
    )
    slow = [value for one in trials for turn in one["slow"] for value in turn]
    return {
        "verdicts": {name: _counts([one["verdicts"][name] for one in trials]) for name in ("same", "slow")},
        "slow_down": math.expm1(statistics.fmean(slow)),
        "pairs": {
            "n": len(pairs),
            "within_2_percent": sum(error <= 0.02 for error in pairs) / len(pairs),
            "median": statistics.median(pairs),
            "p95": pairs[math.ceil(0.95 * len(pairs)) - 1],
        },
        "load": statistics.fmean(one["load"] for one in trials),
    }


def _counts(words: Sequence[str]) -> dict[str, int]:
    return {word: words.count(word) for word in sorted(set(words))}


if __name__ == "__main__":
    sys.exit(main())
