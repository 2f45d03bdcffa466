"""The page as text: what stands in it, and that nothing in it comes from elsewhere or is obeyed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

import xzoo
from xzoo.compare.outcome import Outcome
from xzoo.report import writing
from xzoo.report.html import SECTIONS
from xzoo.runs.store import RunFolder


class Elements(HTMLParser):
    """Every element of a page with its attributes, and all text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag if tag in {"script", "style"} else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.text += "" if self._inside else data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return writing.as_html(writing.gather([run], "nowhere"))


def test_sections_come_in_order_and_each_is_named(page: str) -> None:
    sections = [str(attributes["id"]).partition("-")[2] for attributes in Elements(page).of("section")]
    assert sections == [name for name in SECTIONS if name in sections]
    assert {"answer", "leaderboard", "tradeoffs", "curves", "proofs", "origins"} <= set(sections)
    names = {attributes.get("id") for _, attributes in Elements(page).found}
    for attributes in Elements(page).of("section"):
        assert attributes["aria-labelledby"] in names
    for attributes in Elements(page).of("a"):
        assert str(attributes["href"]).removeprefix("#") in names


def test_nothing_is_loaded_and_no_style_or_handler_stands_in_an_element(page: str) -> None:
    for tag, attributes in Elements(page).found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "srcset", "action", "data", "poster"):
            assert str(attributes.get(name, "data:")).startswith("data:"), tag
        assert str(attributes.get("href", "#")).startswith(("#", "data:")), tag


def test_only_the_page_s_own_script_and_style_are_allowed(page: str) -> None:
    [policy] = [one["content"] for one in Elements(page).of("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        [text] = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_every_contender_has_its_figures(page: str, run: Path) -> None:
    outcome = RunFolder(run).outcome(Outcome)
    assert outcome is not None
    text = " ".join(Elements(page).text.split())
    for row in outcome.contenders:
        assert row.id in text
        assert f"{row.val['accuracy']['value']:.3f}" in text
    assert "xzoo compare alexnet googlenet mobilenet --data photos" in text
    assert "It holds in all 18 finished cells." in text
    assert "ab" * 32 in text
    assert "BSD-3-Clause" in text


def test_the_answer_names_the_choice_and_what_test_says_of_it(run: Path) -> None:
    [found] = writing.gather([run], "nowhere")
    outcome = RunFolder(run).outcome(Outcome)
    assert outcome is not None
    assert outcome.recommendation is not None
    assert f"Use {outcome.recommendation.contender}: " in found.answer.text
    assert "On test, which had no part in the choice, its accuracy is " in found.answer.text


def test_a_cell_that_broke_its_promise_is_counted_and_its_tensors_named(run: Path) -> None:
    from dataclasses import replace

    from xzoo.report.contents import contents
    from xzoo.report.reading import read_folder
    from xzoo.runs.result import Proof

    reading = read_folder(RunFolder(run))
    first, *rest = reading.outcome.cells
    moved = replace(first, proof=Proof(should_stay_moved=("conv.weight",)))
    found = contents(replace(reading, outcome=replace(reading.outcome, cells=[moved, *rest])))
    assert (found.proofs.holds, found.proofs.cells) == (17, 18)
    assert [row.moved for row in found.proofs.rows if row.id == first.contender] == [["conv.weight"]]
    page = writing.as_html([found])
    assert "It holds in 17 of 18 cells." in page
    assert "conv.weight" in page


def test_one_cell_is_enough(writer: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = writer(tmp_path / "one", names=["alexnet"], freezes=["frozen"], seeds=[0], epochs=1)
    path = outcome.report(tmp_path / "out" / "one.html")
    assert path == tmp_path / "out" / "one.html"
    assert "alexnet@V1 frozen" in path.read_text("utf-8")


def test_several_runs_share_a_page_and_no_name(run: Path, writer: Callable[..., Outcome], tmp_path: Path) -> None:
    other = writer(tmp_path / "other", names=["vgg16"], seeds=[0])
    path = xzoo.report([run, other], tmp_path / "both.html")
    elements = Elements(path.read_text("utf-8"))
    names = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(names) == len(set(names))
    assert len(elements.of("article")) == 2


def test_json_holds_what_the_page_shows(run: Path, tmp_path: Path) -> None:
    path = xzoo.report(run, tmp_path / "report.json")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    assert found["schema"] == "xzoo.report/1"
    [one] = found["reports"]
    assert one["run"] == run.name
    assert [row["id"] for row in one["leaderboard"]["rows"]] == [row.id for row in _outcome(run).contenders]
    assert msgspec.json.decode(path.read_bytes()) == found


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    one, other = (xzoo.report(run, tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert one == other


def test_a_name_that_says_no_form_and_no_run_at_all_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(xzoo.UsageError, match="form"):
        xzoo.report(run, tmp_path / "report.docx")
    with pytest.raises(xzoo.UsageError, match="no run is named"):
        xzoo.report([], tmp_path / "report.html")


def _outcome(run: Path) -> Outcome:
    found = RunFolder(run).outcome(Outcome)
    assert found is not None
    return found


def test_a_thousand_cells_would_make_a_page_that_can_be_sent(writer: Callable[..., Outcome], tmp_path: Path) -> None:
    names = [f"network{number}" for number in range(16)]
    outcome = writer(tmp_path / "large", names=names, images=10, epochs=30, distinct=6, comparing=False, resamples=2)
    page = outcome.report(tmp_path / "large.html").read_text("utf-8")
    elements = Elements(page)
    assert len([one for one in elements.of("tr") if "data-freeze" in one]) == 32
    assert "The other 20 contenders" in elements.text
    assert 1000 / len(outcome.cells) * len(page.encode()) <= 20_000_000
