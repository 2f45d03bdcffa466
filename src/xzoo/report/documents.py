"""Runs as documents of plain text: Markdown, CSV that no spreadsheet takes for a formula, and a LaTeX table."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from xzoo.data.items import printable
from xzoo.report import spreadsheets, words
from xzoo.report.contents import Contents
from xzoo.report.sections.leaderboard import Figure, Row

_MARKDOWN = re.compile(r"([\\`*_\[\]|~#!<>&$])")
_BEGINNING = re.compile(r"^(\d*)([-+.)])")
"""What makes a list of the line that it begins."""
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}  # fmt: skip
_NAMES = ("backbone", "weights", "freeze", "recommended", "front", "guessing", "seeds")
_FIGURES = ("train", "val", "test", "test_auroc", "test_balanced")
_PARTS = ("value", "low", "high", "spread")
_COSTS = ("learning_params", "params", "gmacs", "latency_ms", "seconds")
_HEAD = ("Rank", "Contender", "Validation accuracy", "Test accuracy", "Test AUROC", "Seeds", "Learning parameters", "ms/image")


def as_markdown(found: Sequence[Contents]) -> str:
    """Return the answer, the leaderboard, the findings and where the figures come from, for each run."""
    return "\n\n".join("\n\n".join(_chapter(run)) for run in found) + "\n"


def as_csv(found: Sequence[Contents]) -> str:
    """Return a row for each contender, figures as bare numbers; text that could begin a formula gets a `'` before it."""
    text = io.StringIO()
    rows = [_record(run.run, row) for run in found for row in run.leaderboard.rows]
    writer = csv.writer(text, lineterminator="\n")
    measured = [f"{figure}_{part}" for figure in _FIGURES for part in _PARTS]
    writer.writerow(["run", "rank", "worst_rank", "contender", *_NAMES, *measured, *_COSTS])
    writer.writerows([spreadsheets.safe(value) for value in row] for row in rows)
    return text.getvalue()


def as_latex(found: Sequence[Contents]) -> str:
    """Return a table for each run in the manner of the package booktabs; its text is that of UTF-8 engines."""
    return "\n".join(_table(run) for run in found)


def escaped_markdown(text: str) -> str:
    """Return text that Markdown shows as it is: one line, in which no sign has a meaning."""
    return _BEGINNING.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", printable(text).strip()))


def escaped_latex(text: str) -> str:
    """Return text that LaTeX shows as it is, in one line."""
    return "".join(_LATEX.get(letter, letter) for letter in printable(text))


def _chapter(run: Contents) -> Iterator[str]:
    title = f"xzoo report: {run.origins.data['name']}, run {run.run}"
    yield f"# {escaped_markdown(title)}"
    yield escaped_markdown(run.answer.text)
    yield "## Leaderboard"
    rows = [[escaped_markdown(value) for value in _shown(row)] for row in run.leaderboard.rows]
    yield "\n".join(f"| {' | '.join(row)} |" for row in (_HEAD, ["---:", ":---", *["---:"] * 6], *rows))
    if run.answer.comparisons:
        yield "## What is ahead of what"
        yield "\n".join(f"* {escaped_markdown(line)}" for line in run.answer.comparisons)
    if run.answer.findings:
        yield "## What to know before believing this"
        told = [f"{one.severity} [{one.id}] {one.text}. {words.sentence(one.remedy)}".rstrip(". ") for one in run.answer.findings]
        yield "\n".join(f"* {escaped_markdown(line)}." for line in told)
    yield "## Where these figures come from"
    yield "\n".join(f"* {escaped_markdown(line)}" for line in _origins(run))


def _origins(run: Contents) -> Iterator[str]:
    origins, proofs = run.origins, run.proofs
    if origins.command:
        yield f"command: {origins.command}"
    yield f"the proof of freezing holds in {proofs.holds} of {proofs.cells} cells"
    yield f"pack {origins.data['pack']}, plan {origins.plan}, {origins.when} (UTC)"
    for one in origins.weights:
        yield f"{one.label}: licence {one.licence or 'not stated'}, sha256 {one.sha256 or '-'}"
    yield "versions: " + ", ".join(f"{name} {version}" for name, version in origins.versions.items())


def _shown(row: Row) -> list[str]:
    figures = [words.FILTERS["share"](one) for one in (row.val, row.test, row.test_auroc)]
    costs = [str(row.seeds), words.count(row.learning_params), words.fixed(row.latency_ms, 2)]
    return [words.places(row), words.name(row.id), *figures, *costs]


def _record(run: str, row: Row) -> list[Any]:
    """Return a row's figures in the order of the columns."""
    values = [run, row.rank, row.worst_rank, row.id, *(getattr(row, name) for name in _NAMES)]
    measured = [_part(getattr(row, figure), part) for figure in _FIGURES for part in _PARTS]
    return [*values, *measured, *(getattr(row, name) for name in _COSTS)]


def _part(figure: Figure, part: str) -> Any:
    return None if figure is None else figure.get(part)


def _table(run: Contents) -> str:
    head = " & ".join(escaped_latex(name) for name in _HEAD)
    rows = [" & ".join(escaped_latex(value) for value in _shown(row)) + r" \\" for row in run.leaderboard.rows]
    data = run.origins.data
    caption = f"{data['name']} ({data['first_line']}). Accuracy with its 95% interval, ± the deviation between seeds."
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{escaped_latex(caption)}}}", r"\begin{tabular}{rlrrrrrr}", r"\toprule"]
    return "\n".join([*lines, rf"{head} \\", r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])
