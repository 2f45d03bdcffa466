"""`xzoo.report`: runs read, said in a form, and written to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from xzoo import durable
from xzoo.audit.outcome import Audit
from xzoo.compare.outcome import Outcome
from xzoo.data.items import listed
from xzoo.errors import UsageError
from xzoo.report import reading
from xzoo.report.album import albums
from xzoo.report.cards.document import files
from xzoo.report.cards.trained import trained
from xzoo.report.contents import Contents, contents
from xzoo.report.documents import as_csv, as_latex, as_markdown
from xzoo.report.sections.faults import is_of, read_audit
from xzoo.runs.store import RunFolder, slug

SCHEMA = "xzoo.report/1"
SUFFIXES = {".html": "html", ".htm": "html", ".md": "markdown", ".csv": "csv", ".tex": "latex", ".json": "json"}

Run = Outcome | str | os.PathLike[str]


def report(
    what: Run | Sequence[Run],
    path: str | Path | None = None,
    *,
    form: str = "",
    audit: str | Path | None = None,
    data: object = None,
    runs: str | Path = "xzoo-runs",
) -> Path:
    """Write the report of one run, or of several, to a file and return its path.

    A run is what `compare` returned, or a path, a hash prefix below `runs`, or `last`. `form` is html, markdown, csv,
    latex or json; where none is given the file's ending says which. The form "card" writes a folder for each trained model into
    the folder `path`. Without a path it is `xzoo-report.html`, the like for other forms, or `xzoo-cards`. `audit` is a file that
    `xzoo audit --format json` printed of the same images, `data` where the page finds these now, if not where they were; a page
    without images says so. Raises UsageError, StorageError.
    """
    chosen = form or ("html" if path is None else SUFFIXES.get(Path(path).suffix.lower(), ""))
    goal = Path(_usual(chosen) if path is None else path).expanduser()
    if chosen == CARD:
        check_data(data, chosen)
        write_cards(_several(what), goal, runs, audit)
        return goal
    if chosen not in FORMS:
        raise UsageError(
            f"{goal} does not say in which form to write",
            f"end it in {', '.join(SUFFIXES)}, or name a form: {', '.join((*FORMS, CARD))}",
        )
    check_data(data, chosen)
    found = gather(_several(what), runs, audit, data, pictured=chosen == "html")
    durable.write_bytes(goal, FORMS[chosen](found).encode())
    return goal


def check_data(data: object, form: str) -> None:
    """Raise UsageError where images are named for a form that shows none."""
    if data is not None and form != "html":
        raise UsageError(f"--data has no part in the form {form}, which shows no images", "leave it out")


def gather(
    what: Sequence[Run], runs: str | Path, audit: str | Path | None = None, data: object = None, *, pictured: bool = False
) -> list[Contents]:
    """Return what a report says of each run, with pictures of its images where they are asked for and at hand.

    Raises UsageError where none is named, or one is not there, or the audit or `data` is of other images; StorageError.
    """
    readings, told = _opened(what, runs, audit)
    shown = albums(readings, data) if pictured else [None] * len(readings)
    return [contents(one, told, album) for one, album in zip(readings, shown, strict=True)]


def write_cards(what: Sequence[Run], folder: Path, runs: str | Path, audit: str | Path | None = None) -> list[Path]:
    """Write a card and checklists for every model that the runs trained, and return the folders, one for each.

    A folder bears the model's contender; that of a further run its run too. A file that stands there with other text, which
    somebody may have filled in, is kept. Raises what `gather` does, UsageError where one is in the way.
    """
    readings, told = _opened(what, runs, audit)
    models = [model for one in readings for model in trained(one, told)]
    if not models:
        raise UsageError("no cell of these runs is finished, so there is no model", "give the run's command again")
    several = len(readings) > 1
    goals = [folder / slug(f"{one.reading.name} {one.row.id}" if several else one.row.id) for one in models]
    made = {goal / name: text.encode() for goal, model in zip(goals, models, strict=True) for name, text in files(model).items()}
    if kept := [path for path, content in made.items() if path.exists() and path.read_bytes() != content]:
        text = f"{listed(list(map(str, kept)))} would be written over, and may hold what you filled in"
        raise UsageError(text, "name another folder (-o FOLDER), or move them away")
    for path, content in made.items():
        durable.write_bytes(path, content)
    return goals


def _opened(what: Sequence[Run], runs: str | Path, audit: str | Path | None) -> tuple[list[reading.Reading], Audit | None]:
    if not what:
        raise UsageError("no run is named", "name at least one, such as last; `xzoo runs` shows all")
    readings = [_read(one, Path(runs)) for one in what]
    told = None if audit is None else read_audit(Path(audit).expanduser())
    if told is not None and not any(is_of(told, one) for one in readings):
        text = f"{audit} is an audit of other images than the runs', or of other splits or patients"
        raise UsageError(text, "give `xzoo audit` the data, --group, --split and --split-seed as the run had them")
    return readings, told


def as_json(found: Sequence[Contents]) -> str:
    """Return the machine output `xzoo.report/1`: an object with all that the report says of each run."""
    return msgspec.json.encode({"schema": SCHEMA, "reports": found}).decode() + "\n"


def as_html(found: Sequence[Contents]) -> str:
    """Return the report as one HTML file."""
    from importlib.metadata import version

    from xzoo.report.html import html_text

    return html_text(found, version("xzoo"))


FORMS: Mapping[str, Callable[[Sequence[Contents]], str]] = {
    "html": as_html,
    "markdown": as_markdown,
    "csv": as_csv,
    "latex": as_latex,
    "json": as_json,
}
"""What writes each form that is one file."""

CARD = "card"
"""The form that is a folder."""
CARDS = "xzoo-cards"


def _usual(form: str) -> str:
    ending = next((suffix for suffix, one in SUFFIXES.items() if one == form), "")
    return CARDS if form == CARD else f"xzoo-report{ending}"


def _several(what: Run | Sequence[Run]) -> Sequence[Run]:
    return [what] if isinstance(what, Outcome | str | os.PathLike) else what


def _read(one: Run, runs: Path) -> reading.Reading:
    if isinstance(one, Outcome):
        return reading.read_folder(RunFolder(Path(one.run)))
    return reading.read(os.fspath(one), runs)
