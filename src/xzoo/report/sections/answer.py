"""The answer in one paragraph, and what must be known before it is believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xzoo.compare.outcome import Outcome
from xzoo.compare.verdict import AHEAD
from xzoo.data.items import counted
from xzoo.report.reading import Reading
from xzoo.report.tables import comparison_lines, recommendation_line, share
from xzoo.runs.result import Finding


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`text` is the paragraph; `comparisons` say what is ahead of what, a line each; `findings` are the run's, gravest first."""

    text: str
    comparisons: Sequence[str]
    findings: Sequence[Finding]


def answer(reading: Reading) -> Answer:
    """Return what the run answers, in sentences."""
    outcome = reading.outcome
    sentences = [_asked(outcome), " ".join(recommendation_line(outcome).split()), *_tested(outcome), *_told_apart(outcome)]
    return Answer(
        text=" ".join(sentences),
        comparisons=comparison_lines(outcome.comparisons).splitlines(),
        findings=outcome.findings,
    )


def _asked(outcome: Outcome) -> str:
    data, done = outcome.dataset, sum(cell.status == "done" for cell in outcome.cells)
    what = counted(len(outcome.contenders), "contender")
    failed = f", and {len(outcome.failed)} could not be computed" if outcome.failed else ""
    return f"{what} in {counted(done, 'cell')} were compared on {data['name']} ({data['first_line']}){failed}."


def _tested(outcome: Outcome) -> list[str]:
    """Return what the recommended contender does on test; nothing where none is, or where there is no test split."""
    chosen = outcome.recommendation
    row = next((one for one in outcome.contenders if chosen and one.id == chosen.contender), None)
    if row is None or not row.test.get("accuracy"):
        return []
    looked = "" if any(one.id == "test-watched" for one in outcome.findings) else ", which had no part in the choice"
    largest = row.test.get("majority")
    guess = f"; always naming the largest class reaches {largest['value']:.3f}" if largest else ""
    return [f"On test{looked}, its accuracy is {share(row.test['accuracy'])}{guess}."]


def _told_apart(outcome: Outcome) -> list[str]:
    pairs = outcome.verdicts
    if not pairs:
        return []
    told = sum(one.verdict == AHEAD for one in pairs)
    return [f"On validation {told} of {counted(len(pairs), 'pair')} of contenders can be told apart."]
