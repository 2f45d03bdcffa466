"""An outcome as text for a terminal: a table of contenders, what is ahead of what, and what to know."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xzoo.compare.determinism import LEVELS, lowest
from xzoo.compare.outcome import Outcome
from xzoo.compare.verdict import AHEAD, CANNOT_TELL, EQUIVALENT, GUESSING, grounds
from xzoo.data.items import printable
from xzoo.report.operating import operating_note, operating_rows
from xzoo.runs.result import Comparison, Contender, Finding, Measure

WIDTH = 120
_MOST = 20
_VERBS = {
    AHEAD: "is ahead of",
    EQUIVALENT: "is equivalent to",
    CANNOT_TELL: "cannot be told from",
    GUESSING: "is not distinguishable from guessing, nor is",
}
_SUMMARIES = {
    EQUIVALENT: "are equivalent",
    CANNOT_TELL: "cannot be told apart",
    GUESSING: "are not distinguishable from guessing",
}


def outcome_text(outcome: Outcome) -> str:
    """Return the whole answer: data, contenders, comparisons, findings, recommendation."""
    parts = [
        f"{outcome.dataset['name']}: {outcome.dataset['first_line']}",
        table(contender_rows(outcome)),
        _seconds_note(),
        operating_lines(outcome),
        latency_lines(outcome),
        comparison_lines(outcome.comparisons),
        finding_lines(outcome.findings),
        determinism_line(outcome),
        recommendation_line(outcome),
    ]
    return "\n".join(printable(line) for line in "\n\n".join(part for part in parts if part).split("\n"))


def contender_rows(outcome: Outcome) -> list[list[str]]:
    """Return the table of contenders with its head, ranked on validation, the majority class last."""
    rows = [["rank", "contender", "train", "validation", "test", "seeds", "learns", "GMACs", "train s", "front"]]
    has_front = any(row.front for row in outcome.contenders)
    for row in outcome.contenders:
        rows.append(
            [
                places(row.rank, row.worst_rank),
                row.id,
                share(row.train.get("accuracy"), with_interval=False),
                share(row.val.get("accuracy")),
                share(row.test.get("accuracy")),
                str(len(row.seeds)),
                f"{row.learning_params:,}" if row.learning_params is not None else "-",
                f"{row.gmacs:.2f}" if row.gmacs is not None else "-",
                f"{row.seconds:.1f}" if row.seconds is not None else "-",
                "*" if (row.front if has_front else row.pareto) else "",
            ]
        )
    if outcome.contenders:
        first: Contender = outcome.contenders[0]
        shares = [share(getattr(first, split).get("majority"), with_interval=False) for split in ("train", "val", "test")]
        rows.append(["", "majority class", *shares, "", "0", "", "", ""])
    return rows


def places(rank: int | None, worst: int | None) -> str:
    """Return a rank with its interval: `1-3` where tests leave it open."""
    return f"{rank}-{worst}" if worst is not None and worst != rank else f"{rank}"


def share(measure: Mapping[str, Any] | None, *, with_interval: bool = True) -> str:
    """Return an accuracy as `0.912 (0.85-0.95) ±0.012`, with its interval and the deviation between seeds; `-` for none."""
    if measure is None:
        return "-"
    text = f"{measure['value']:.3f}"
    if not with_interval:
        return text
    if measure.get("low") is not None:
        text += f" ({measure['low']:.2f}-{measure['high']:.2f})"
    spread = measure.get("spread")
    return f"{text} ±{spread:.3f}" if spread is not None else text


def table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows as aligned columns under the first of them; the column numbered `left` holds words, the others figures."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([lines[0].rstrip(), "-" * max(map(len, lines)), *(line.rstrip() for line in lines[1:])])


def operating_lines(outcome: Outcome) -> str:
    """Return what a threshold chosen on validation does to test, apart from the answers; nothing where none was chosen."""
    rows = operating_rows(outcome)
    return f"{table(rows, left=0)}\n\n{textwrap.fill(operating_note(outcome), WIDTH)}" if rows else ""


def latency_lines(outcome: Outcome) -> str:
    """Return the latency of each backbone at batch 1, and its throughput."""
    rows = [["backbone", "parameters", "ms for one image: p50", "p90", "p99", "n", "images/s, batch 16"]]
    for label, facts in outcome.backbones.items():
        if len(facts.latency) < 2:
            continue
        one, many = facts.latency[:2]
        tails = [f"{value:.2f}" if value is not None else "-" for value in (one.p90_ms, one.p99_ms)]
        rate = f"{many.images_per_second:.0f}{'' if many.batch == 16 else f' (batch {many.batch})'}"
        rows.append([label, f"{facts.params:,}", f"{one.p50_ms:.2f}", *tails, str(one.n), rate])
    return table(rows, left=0) if len(rows) > 1 else ""


def comparison_lines(comparisons: Sequence[Comparison]) -> str:
    """Return what is ahead of what, validation first, and how many pairs cannot be told apart; a few such pairs are named."""
    lines = []
    for split, name in (("val", "validation"), ("test", "test"), ("given", "these images")):
        found = [one for one in comparisons if one.split == split]
        told, rest = ([one for one in found if (one.verdict == AHEAD) == is_told] for is_told in (True, False))
        lines += [f"{name}: {_pair(one)}" for one in told[:_MOST]]
        lines += (
            [f"{name}: {len(told) - _MOST} more pairs of which one is ahead, in the JSON output"] if len(told) > _MOST else []
        )
        if len(found) <= 3:
            lines += [f"{name}: {_pair(one)}" for one in rest]
            continue
        for word, phrase in _SUMMARIES.items():
            if count := sum(one.verdict == word for one in rest):
                lines.append(f"{name}: {count} of {len(found)} pairs {phrase}")
    return "\n".join(lines)


def _pair(one: Comparison) -> str:
    low, high = one.difference.low, one.difference.high
    if one.difference.value < 0:
        turned = Measure(-one.difference.value, None if high is None else -high, None if low is None else -low, one.difference.n)
        one = replace(one, a=one.b, b=one.a, difference=turned)
    return printable(f"{one.a} {_VERBS[one.verdict]} {one.b} ({grounds(one, 1)})")


def finding_lines(findings: Sequence[Finding]) -> str:
    """Return the findings, each with what to do."""
    lines = []
    for one in findings:
        text = f"{one.severity} [{one.id}] {one.text}" + (f". {one.remedy[0].upper()}{one.remedy[1:]}." if one.remedy else "")
        lines.append(textwrap.fill(text, WIDTH, subsequent_indent="  "))
    return "\n".join(lines)


def recommendation_line(outcome: Outcome) -> str:
    """Return which contender to use and why, or why none is named; contenders without a finished cell are counted."""
    missing = {cell.contender for cell in outcome.failed} - {row.id for row in outcome.contenders}
    failed = f" {len(missing)} more could not be computed and have no part in this." if missing else ""
    if not outcome.contenders:
        return "No recommendation: no cell could be computed."
    if outcome.recommendation is None:
        return textwrap.fill(f"No recommendation: no contender can be told from guessing on validation.{failed}", WIDTH)
    return textwrap.fill(f"Use {outcome.recommendation.contender}: {outcome.recommendation.reason}.{failed}", WIDTH)


def determinism_line(outcome: Outcome) -> str:
    """Return how far the run's figures repeat, and why no further; nothing for a run that does not know."""
    found = lowest(outcome.cells)
    if found is None:
        return ""
    held = ", ".join(LEVELS[1 : found.level + 1]) if found.level else LEVELS[0]
    why = f". Not more, because {'; '.join(found.reasons)}" if found.reasons else ""
    return textwrap.fill(f"Determinism L{found.level}: {held}{why}.", WIDTH)


def _seconds_note() -> str:
    return textwrap.fill(
        "Accuracy with its 95% interval (from the number of images), ± the deviation between seeds. Ranked on validation "
        "alone; the rank is a range where the differences leave it open. * nothing else is as accurate, as quick to answer and "
        "to train, and as small. Train s includes the features that frozen cells share.",
        WIDTH,
    )
