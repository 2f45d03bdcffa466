"""A report as one HTML file: no script, style or picture comes from elsewhere, and what runs say is text, never markup."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xzoo.report import drawing, words
from xzoo.report.contents import Contents
from xzoo.report.sections.discrimination import RESAMPLES
from xzoo.report.sections.freezing import Freezing, Slope

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
MOST_DRAWN = 12
"""Contenders that get pictures of their own in full view; the figures of all are in tables."""

SECTIONS: Mapping[str, str] = {
    "answer": "The answer",
    "leaderboard": "Leaderboard",
    "tradeoffs": "What accuracy costs",
    "curves": "Learning curves",
    "freezing": "Frozen against fine-tuned",
    "discrimination": "ROC and precision-recall",
    "reliability": "Reliability",
    "confusion": "Confusion matrices",
    "latency": "Latency",
    "faults": "What is wrong with the data",
    "maps": "What answers rest on",
    "proofs": "What was frozen stayed frozen",
    "origins": "Where these figures come from",
}
"""Sections in the order in which they are shown, by the field of `Contents` and the template that they fill."""


def html_text(runs: Sequence[Contents], version: str) -> str:
    """Return the whole file. A section that a run holds nothing for is left out."""
    from markupsafe import Markup

    templates = _templates()
    shown = [_run(f"r{place}", run, templates) for place, run in enumerate(runs, 1)]
    title = f"xzoo report: {runs[0].origins.data['name']}" if len(runs) == 1 else f"xzoo report: {len(runs)} runs"
    style, script = (Markup((TEMPLATES / name).read_text("utf-8")) for name in ("style.css", "script.js"))
    return templates.get_template("page.html").render(title=title, version=version, runs=shown, style=style, script=script)


def _run(name: str, run: Contents, templates: Environment) -> dict[str, Any]:
    from markupsafe import Markup

    sections = []
    for section, title in SECTIONS.items():
        if not (found := getattr(run, section)):
            continue
        known = {section: found, "board": run.leaderboard, "id": name, "most": MOST_DRAWN, "labelled": 2 * MOST_DRAWN}
        body = Markup(templates.get_template(f"{section}.html").render(known))
        sections.append({"name": section, "title": title, "body": body})
    return {"id": name, "title": f"{run.origins.data['name']}, run {run.run}", "sections": sections}


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=words.finalised,
    )
    made.filters.update(words.FILTERS)
    made.filters["csp"] = _hash
    made.globals.update(frame=drawing.frame, slope_frame=_slope_frame, resamples=RESAMPLES)
    return made


def _slope_frame(found: Freezing, slopes: Sequence[Slope]) -> drawing.Frame:
    """Return a frame with a place for each strategy, and room for their names."""
    last = len(found.strategies) - 1
    accuracies = [value for slope in slopes for value in slope.accuracy.values()]
    return drawing.frame([-0.25 * last, 1.25 * last], accuracies, within=(0.0, 1.0))


def _hash(text: str) -> str:
    """Return how a content security policy names an inline script or style: by its sha256, so that no other one is obeyed."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
