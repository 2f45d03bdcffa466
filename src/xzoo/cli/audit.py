"""`xzoo audit`: what must be known of a dataset before a figure measured on it is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click
from click.exceptions import Exit

from xzoo.cli.frame import emit, format_option, say
from xzoo.cli.options import not_empty, words
from xzoo.runs.following import followed

if TYPE_CHECKING:
    from xzoo.audit.outcome import Audit

SAYS_NO = 1


@click.command("audit")
@click.argument("data", callback=not_empty)
@click.option(
    "--backbone",
    metavar="NAME",
    callback=not_empty,
    help="Whose features tell splits apart. Default: the smallest with weights on this disk.",
)
@click.option("--group", metavar="REGEX", callback=not_empty, help="Its first group, in a file's path, is the patient.")
@click.option("--split", default="", metavar="RULE", help="As compare takes it; what the dataset declares stays.")
@click.option("--split-seed", type=click.IntRange(min=0), help="The seed of drawn splits. Default: 0.")
@click.option("--device", default="auto", metavar="NAME", callback=not_empty, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--fail-on", default="", metavar="A,B", help="Exit with 1 where there is such a finding: names, or error, warning, info."
)
@format_option
def command(data: str, form: str, fail_on: str, **asked: Any) -> None:
    """Read DATA (a folder, .npz, .csv, .jsonl, or phantom): damage, copies, leaks between splits, balance, power, shift.

    Nothing is changed, and nothing is trained but classifiers that tell splits apart.
    """
    from xzoo.audit import findings

    stop_at = words([fail_on])
    findings.chosen(stop_at, ())
    found = _followed(data, **asked)
    emit(found, form, lambda: _shown(found))
    if findings.chosen(stop_at, found.findings):
        raise Exit(SAYS_NO)


def _followed(data: str, **asked: Any) -> Audit:
    """Carry the audit out, with a line on stderr for each thing that is being done."""
    from xzoo.audit.reading import ask, carry_out

    steps = carry_out(ask(data, **asked))
    return followed(steps, say)


def _shown(found: Audit) -> str:
    from xzoo.report.audits import audit_text

    return audit_text(found)
