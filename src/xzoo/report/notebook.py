"""Results as HTML for a notebook: a sentence, tables, and what to know. Everything that comes from a run is text in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from xzoo.audit.outcome import Audit
from xzoo.compare.explanation import Explanation
from xzoo.compare.outcome import Outcome
from xzoo.compare.timings import Benchmark
from xzoo.data.items import counted, printable
from xzoo.report import audits, autopsies, portraits
from xzoo.report.strokes import bar
from xzoo.report.tables import comparison_lines, contender_rows, recommendation_line
from xzoo.report.words import fixed
from xzoo.runs.result import Finding, Measure
from xzoo.zoo.learning import EPOCHS

if TYPE_CHECKING:
    from xzoo.compare.inference import Predicted
    from xzoo.model.facts import Facts

_BAR = 12
MOST_ROWS = 20
"""Rows of a table of images; the frame holds all."""


def as_html(value: object) -> str:
    """Return the HTML of what `compare`, `audit`, `explain`, `bench`, `predict` and `info` return."""
    return "\n".join(part for part in SHOWN[type(value).__name__](value) if part)


def outcome(found: Outcome) -> Iterator[str]:
    """Yield the answer, the contenders, the verdicts and the findings of a comparison."""
    yield _strong(recommendation_line(found))
    yield _small(f"{found.dataset['name']}: {found.dataset['first_line']}")
    yield _table(contender_rows(found), words=(1,))
    yield _small("Ranked on validation alone; 95% intervals are of the number of images, ± is the deviation between seeds.")
    yield _list(comparison_lines(found.comparisons).splitlines())
    yield _findings(found.findings)
    yield _small(f"Kept in {found.run}. report(), to_frame(), plot_accuracy(), plot_curves(), plot_cost().")


def audit(found: Audit) -> Iterator[str]:
    """Yield the splits, what tells them apart, and the findings of an audit."""
    yield _strong(f"{found.dataset['name']}: {found.dataset['first_line']}")
    copies, conflicts = counted(found.num_copies, "pair"), counted(len(found.conflicts), "picture")
    yield _small(f"{copies} of one picture; {conflicts} under several labels")
    yield _table(list(audits.split_rows(found)), words=(0,))
    yield _table(list(audits.shift_rows(found)), words=(0,)) if found.shifts else ""
    yield _findings(found.findings) or _small("Nothing was found that a reader must know.")
    yield _list(f"not examined: {text}" for text in found.not_examined)


def explanation(found: Explanation) -> Iterator[str]:
    """Yield the drop, its parts and the causes of every contender."""
    for one in found.contenders:
        yield _strong(f"{one.contender}: {', '.join(one.named) or 'no cause was found'}")
        yield _table(list(autopsies.part_rows(one)), words=(0,))
        yield _table(list(autopsies.cause_rows(one)), words=(0, 1))
        yield _list(f"{cause.name}: {cause.text}" for cause in one.causes)


def benchmark(found: Benchmark) -> Iterator[str]:
    """Yield what was timed, and what failed."""
    yield _strong(f"{found.environment['device']}, {found.environment['threads']} threads")
    rows = [["rank", "backbone", "engine", "precision", "batch", "p50 ms", "images/s"]]
    for row in found.rows:
        if row.error is None:
            figures = [_value(row.p50_ms), _value(row.images_per_second)]
            rows.append([str(row.rank), row.backbone, row.engine, row.precision or "-", str(row.batch), *figures])
    yield _table(rows, words=(1, 2, 3)) if len(rows) > 1 else ""
    steps = [["rank", "backbone", "freeze", "trains on", "step ms", "images/s"]]
    for step in found.training:
        if step.error is None:
            figures = [_value(step.step_ms), _value(step.images_per_second)]
            steps.append([str(step.rank), step.backbone, step.freeze, step.trains_on or "-", *figures])
    yield _table(steps, words=(1, 2, 3)) if len(steps) > 1 else ""
    yield _list([*(f"{name}: nothing of it could be timed" for name in found.failed), *found.notes])


def predicted(found: Predicted) -> Iterator[str]:
    """Yield the answers for the first images."""
    yield _strong(f"{counted(len(found.images), 'image')} by {found.contender}, seed {found.seed}")
    rows = [["path", "label", *found.classes]]
    for image in found.images[:MOST_ROWS]:
        rows.append([image.path, str(image.label or "-"), *(fixed(image.probabilities[name], 3) for name in found.classes)])
    yield _table(rows, words=(0, 1))
    more = len(found.images) - MOST_ROWS
    yield _small(f"{more:,} more: to_frame() holds all.") if more > 0 else ""


def facts(found: Facts) -> Iterator[str]:
    """Yield a backbone's figures, its stages and what would learn of it."""
    size = f"{found.channels} x {found.size[0]} x {found.size[1]}"
    yield _strong(f"{found.name}: {found.params:,} parameters, {found.gmacs:.3f} GMACs for one image of {size}")
    yield _small(", ".join(word for word in (found.summary, found.paper, found.origin) if word))
    yield _table([[*row[:3], bars[0], row[3], bars[1]] for row, bars in _barred(found)], words=(0, 1, 3, 5))
    yield _small(f"The head begins at {found.head}. What learns, of {EPOCHS} epochs:")
    yield _table(portraits.learning_rows(found), words=(0,))
    yield _list(portraits.weights_line(one) for one in found.weights)


SHOWN: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "Outcome": outcome,
    "Audit": audit,
    "Explanation": explanation,
    "Benchmark": benchmark,
    "Predicted": predicted,
    "Facts": facts,
}
"""What shows each kind of result, by the name of its class: the modules of some import torch."""


def _barred(found: Facts) -> Iterator[tuple[list[str], tuple[str, str]]]:
    """Yield the rows of stages, each with bars of its parameters and its GMACs."""
    head, *rows = portraits.stage_rows(found)
    yield head, ("", "")
    parts = [*((one.params, one.gmacs) for one in found.stages), (found.params_head, found.gmacs_head)]
    most = [max(part[place] for part in parts) or 1 for place in (0, 1)]
    for row, (params, gmacs) in zip(rows, parts, strict=True):
        yield row, (bar(params / most[0], _BAR), bar(gmacs / most[1], _BAR))


def _findings(findings: Sequence[Finding]) -> str:
    return _list(f"{one.severity} [{one.id}] {one.text}" + (f". To do: {one.remedy}" if one.remedy else "") for one in findings)


def _table(rows: Sequence[Sequence[str]], words: Sequence[int]) -> str:
    """Return a table with its head; the columns numbered `words` hold words, which begin at the left."""
    sides = ["left" if column in words else "right" for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        kind = "td" if number else "th"
        cells = "".join(
            f'<{kind} style="text-align:{side}">{_text(cell)}</{kind}>' for cell, side in zip(row, sides, strict=True)
        )
        lines.append(f"<tr>{cells}</tr>")
    return f"<table><thead>{lines[0]}</thead><tbody>{''.join(lines[1:])}</tbody></table>"


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines if line)
    return f"<ul>{items}</ul>" if items else ""


def _strong(words: str) -> str:
    return f"<p><strong>{_text(words)}</strong></p>" if words else ""


def _small(words: str) -> str:
    return f"<p><small>{_text(words)}</small></p>" if words else ""


def _text(words: str) -> str:
    return escape(printable(" ".join(words.splitlines())))


def _value(measure: Measure | None) -> str:
    return "-" if measure is None else f"{measure.value:.4g}"
