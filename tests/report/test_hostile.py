"""Names that mean harm, as backbones, classes, data and findings: they stay names in every form."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from strings import HOSTILE
from xzoo.compare.outcome import Outcome
from xzoo.data.items import printable
from xzoo.report import documents, words, writing
from xzoo.report.contents import Contents
from xzoo.report.tables import contender_rows, outcome_text
from xzoo.runs.result import Finding
from xzoo.runs.store import RunFolder

NAMES = list(dict.fromkeys(name for name in HOSTILE if name))
CLASSES = NAMES[:40:4]
FEW: dict[str, Any] = {"seeds": [0], "freezes": ["frozen"], "epochs": 2, "distinct": 1, "comparing": False, "resamples": 2}


class Marks(HTMLParser):
    """The kinds of elements of a page with the names of their attributes, and the text of every table cell."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.kinds: set[tuple[str, str]] = set()
        self.count: dict[str, int] = {}
        self.cells: list[str] = []
        self._is_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.kinds |= {(tag, ""), *((tag, name) for name, _ in attrs)}
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag in {"td", "th"}:
            self._is_cell = True
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_cell = self._is_cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.cells[-1] += data


@pytest.fixture(scope="module")
def folders(writer: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run of a hundred hostile backbones with hostile classes, and one of a hundred hostile classes."""
    folder = tmp_path_factory.mktemp("hostile")
    findings = [Finding(name, "warning", name, name) for name in NAMES]
    few: dict[str, Any] = {**FEW, "data": NAMES[0]}
    writer(folder / "=1+1 <b>&amp;", names=NAMES, classes=CLASSES, findings=findings, **few)
    writer(folder / "b", names=NAMES[:1], classes=NAMES, images=2 * len(NAMES), **few)
    return [folder / "=1+1 <b>&amp;", folder / "b"]


@pytest.fixture(scope="module")
def found(folders: list[Path], pictured: Callable[..., Contents]) -> list[Contents]:
    first, second = writing.gather(folders, "nowhere")
    return [pictured(first, NAMES), second]


@pytest.fixture(scope="module")
def page(found: list[Contents]) -> str:
    return writing.as_html(found)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_there_are_a_hundred_of_them() -> None:
    assert len(NAMES) >= 100


def test_no_name_becomes_an_element_or_an_attribute(
    page: str, run: Path, writer: Callable[..., Outcome], pictured: Callable[..., Contents], tmp_path: Path
) -> None:
    plain = [f"name {number}" for number in range(len(NAMES))]
    findings = [Finding("a", "warning", "a", "b")] * 5
    writer(tmp_path / "a", names=plain, classes=plain[:10], findings=findings, **FEW)
    writer(tmp_path / "b", names=plain[:1], classes=plain[:20], **FEW)
    one, *others = writing.gather([tmp_path / "a", tmp_path / "b", run], "nowhere")
    good = Marks(writing.as_html([pictured(one, plain), *others]))
    bad = Marks(page)
    assert bad.kinds <= good.kinds
    assert (bad.count["script"], bad.count["style"], bad.count["table"]) == (1, 1, len(re.findall("<table", page)))
    cells = {flat(cell) for cell in bad.cells}
    assert [name for name in NAMES if not any(flat(words.name(f"{name}@V1 frozen")) in cell for cell in cells)] == []


@pytest.mark.browser
@pytest.mark.parametrize(("width", "media"), [(1280, "screen"), (375, "screen"), (718, "print")])
def test_a_browser_obeys_no_name_and_nothing_runs_out_of_the_page(
    browser: Any, page: str, tmp_path: Path, width: int, media: str
) -> None:
    (tmp_path / "report.html").write_text(page, "utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900})
    tab, said = context.new_page(), []
    for event in ("console", "pageerror", "dialog"):
        tab.on(event, lambda what: said.append(str(what)))
    tab.on("request", lambda request: said.extend([] if request.url.startswith(("file:", "data:")) else [request.url]))
    tab.emulate_media(media=media)
    tab.goto((tmp_path / "report.html").as_uri())
    tab.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    tab.get_by_label("Filter").first.fill("<script>") if media == "screen" else None
    assert tab.evaluate("typeof window.owned") == "undefined"
    assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert tab.title() == "xzoo report: 2 runs"
    context.close()
    assert said == []


def test_markdown_shows_names_and_makes_nothing_of_them(found: list[Contents]) -> None:
    markdown = pytest.importorskip("markdown_it")
    shown = Marks(markdown.MarkdownIt("commonmark").enable("table").render(documents.as_markdown(found)))
    assert {tag for tag, _ in shown.kinds} == {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    assert {name for _, name in shown.kinds} <= {"", "style"}
    assert shown.count["tr"] == 2 + len(NAMES) + 1
    cells = {flat(cell) for cell in shown.cells}
    assert [name for name in NAMES if flat(words.name(f"{name}@V1 frozen")) not in cells] == []


def test_no_cell_of_csv_begins_like_a_formula_and_none_is_lost(found: list[Contents]) -> None:
    rows = list(csv.reader(io.StringIO(documents.as_csv(found))))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == 2 + len(NAMES)
    for cell in (cell for row in rows for cell in row):
        is_number = re.fullmatch(r"-?[0-9.e+-]+", cell)
        assert is_number or not cell.lstrip(" \"'" if cell[:1] != "'" else "").startswith(tuple("=+-@\t\r\uff1d")), cell
        assert printable(cell) == cell
    backbones = [row[rows[0].index("backbone")] for row in rows[1:]]
    assert {cell.removeprefix("'") for cell in backbones} == {printable(name).removeprefix("'") for name in NAMES}
    assert any(cell == "'=1+1" for cell in backbones)


def test_latex_gives_no_sign_of_a_name_a_meaning(found: list[Contents]) -> None:
    lines = documents.as_latex(found).splitlines()
    rows = [line for line in lines if line.endswith(r" \\")]
    assert len(rows) == 2 + len(NAMES) + 1
    for row in rows:
        bare = re.sub(r"\\text[a-z]+\{\}|\\[{}$&#%_]", "", row.removesuffix(r" \\"))
        assert bare.count("&") == 7
        assert not set(bare.replace("&", "")) & set('\\{}$#%_^~<>|"')


def test_a_terminal_gets_no_codes_and_a_line_for_each_contender(folders: list[Path]) -> None:
    for folder in folders:
        outcome = RunFolder(folder).outcome(Outcome)
        assert outcome is not None
        lines = outcome_text(outcome).split("\n")
        assert all(line.isprintable() for line in lines)
        names = [printable(row[1]) for row in contender_rows(outcome)[1:]]
        assert [sum(name in line for line in lines) > 0 for name in names] == [True] * len(names)
        start = next(place for place, line in enumerate(lines) if line.lstrip().startswith("rank"))
        assert all(len(line) <= len(lines[start + 1]) for line in lines[start + 2 : start + 2 + len(names)])
