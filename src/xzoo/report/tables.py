"""An outcome as text for a terminal: a table of contenders, what is ahead of what, and what to know."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from xzoo.compare.outcome import Outcome
from xzoo.runs.result import Comparison, Contender, Finding

WIDTH = 120
_MOST = 20


def outcome_text(outcome: Outcome) -> str:
    """Return the whole answer: data, contenders, comparisons, findings, recommendation."""
    parts = [
        f"{outcome.dataset['name']}: {outcome.dataset['first_line']}",
        table(contender_rows(outcome)),
        _seconds_note(),
        latency_lines(outcome),
        comparison_lines(outcome.comparisons),
        finding_lines(outcome.findings),
        recommendation_line(outcome),
    ]
    return "\n\n".join(part for part in parts if part)


def contender_rows(outcome: Outcome) -> list[list[str]]:
    """Return the table of contenders with its head, ranked on validation, the majority class last."""
    rows = [["rank", "contender", "train", "validation", "test", "seeds", "learns", "GMACs", "train s", "front"]]
    for row in outcome.contenders:
        rows.append(
            [
                str(row.rank),
                row.id,
                share(row.train.get("accuracy"), with_interval=False),
                share(row.val.get("accuracy")),
                share(row.test.get("accuracy")),
                str(len(row.seeds)),
                f"{row.learning_params:,}" if row.learning_params is not None else "-",
                f"{row.gmacs:.2f}" if row.gmacs is not None else "-",
                f"{row.seconds:.1f}" if row.seconds is not None else "-",
                "*" if row.pareto else "",
            ]
        )
    if outcome.contenders:
        first: Contender = outcome.contenders[0]
        shares = [share(getattr(first, split).get("majority"), with_interval=False) for split in ("train", "val", "test")]
        rows.append(["", "majority class", *shares, "", "0", "", "", ""])
    return rows


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
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([lines[0].rstrip(), "-" * max(map(len, lines)), *(line.rstrip() for line in lines[1:])])


def latency_lines(outcome: Outcome) -> str:
    """Return the latency of each backbone at batch 1, and its throughput."""
    rows = [["backbone", "parameters", "ms for one image: p50", "p90", "p99", "n", "images/s, batch 16"]]
    for label, facts in outcome.backbones.items():
        if len(facts.latency) < 2:
            continue
        one, many = facts.latency[:2]
        tails = [f"{value:.2f}" if value is not None else "-" for value in (one.p90_ms, one.p99_ms)]
        rows.append([label, f"{facts.params:,}", f"{one.p50_ms:.2f}", *tails, str(one.n), f"{many.images_per_second:.0f}"])
    return table(rows, left=0) if len(rows) > 1 else ""


def comparison_lines(comparisons: Sequence[Comparison]) -> str:
    """Return what is ahead of what, validation first, and how many pairs cannot be told apart; a few such pairs are named."""
    lines = []
    for split, name in (("val", "validation"), ("test", "test")):
        found = [one for one in comparisons if one.split == split]
        alike = [one for one in found if one.verdict != "ahead"]
        told = [one for one in found if one.verdict == "ahead"]
        lines += [f"{name}: {_pair(one)}" for one in told[:_MOST]]
        lines += (
            [f"{name}: {len(told) - _MOST} more pairs of which one is ahead, in the JSON output"] if len(told) > _MOST else []
        )
        if len(found) <= 3:
            lines += [f"{name}: {_pair(one)}" for one in alike]
        elif alike:
            lines.append(f"{name}: {len(alike)} of {len(found)} pairs cannot be told apart")
    return "\n".join(lines)


def _pair(one: Comparison) -> str:
    value = one.difference.value
    first, second, difference = (one.a, one.b, value) if value >= 0 else (one.b, one.a, -value)
    verb = "is ahead of" if one.verdict == "ahead" else "cannot be told from"
    p = "" if one.p_holm is None else f", p {one.p_holm:.3g}"
    return f"{first} {verb} {second} (difference {difference:+.3f}{p})"


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


def _seconds_note() -> str:
    return textwrap.fill(
        "Accuracy with its 95% interval (from the number of images), ± the deviation between seeds. Ranked on validation "
        "alone; those that cannot be told apart share a rank. * nothing else is as accurate with as few operations and "
        "learnt parameters. Train s includes the features that frozen cells share.",
        WIDTH,
    )
