"""The page in a browser: it fetches nothing, complains of nothing, works, fits, and can be read by a screen reader."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xzoo.report import writing
from xzoo.report.contents import Contents

pytestmark = pytest.mark.browser

Shown = Callable[..., Any]


@pytest.fixture
def shown(browser: Any) -> Iterator[Shown]:
    """Open a file: `shown(path, width=375, scheme="dark", media="print")`. What it says or asks for is a failure."""
    said: list[str] = []
    with contextlib.ExitStack() as stack:

        def show(path: Path, *, width: int = 1280, scheme: str = "light", media: str = "screen") -> Any:
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            stack.callback(context.close)
            page = context.new_page()
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("dialog", lambda dialog: said.append(f"a dialog: {dialog.message}"))
            page.on(
                "request", lambda request: said.append(request.url) if not request.url.startswith(("file:", "data:")) else None
            )
            page.emulate_media(media=media, color_scheme=scheme)
            page.goto(path.as_uri())
            return page

        yield show
    assert said == []


@pytest.fixture(scope="module")
def page(run: Path, pictured: Callable[..., Contents], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every section, pictures included."""
    [found] = writing.gather([run], "nowhere")
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(writing.as_html([pictured(found, [f"test/a/image {number}.png" for number in range(9)])]), "utf-8")
    return path


def column(page: Any, number: int) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        "table.board tbody tr:not([hidden])", f"rows => rows.map(row => row.cells[{number}].dataset.v)"
    )
    return found


def overflow(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_every_picture_is_drawn(shown: Shown, page: Path) -> None:
    marks = "one.tagName == 'IMG' ? one.naturalWidth : one.querySelectorAll('path, circle').length"
    found = shown(page).eval_on_selector_all("svg, img", f"all => all.map(one => [one.getBoundingClientRect().width, {marks}])")
    assert len(found) >= 9
    assert all(width > 100 and count > 0 for width, count in found)
    assert page.stat().st_size <= 5_000_000


def test_a_click_on_a_head_sorts_and_another_turns_round(shown: Shown, page: Path) -> None:
    tab = shown(page)
    head = tab.locator("table.board thead th", has_text="Test").first
    head.locator("button").click()
    accuracies = [float(value) for value in column(tab, 4)]
    assert len(accuracies) == 6
    assert accuracies == sorted(accuracies, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").press("Enter")
    assert [float(value) for value in column(tab, 4)] == sorted(accuracies)
    tab.locator("table.board thead th", has_text="Contender").locator("button").click()
    assert column(tab, 2) == sorted(column(tab, 2))


def test_filters_leave_the_rows_that_are_asked_for(shown: Shown, page: Path) -> None:
    tab = shown(page)
    tab.get_by_label("Filter").fill("googlenet FINE")
    assert column(tab, 2) == ["googlenet@V1 finetune"]
    assert tab.locator("form.filter output").text_content() == "1 of 6"
    tab.get_by_label("Filter").fill("")
    tab.get_by_label("Strategy").select_option("frozen")
    assert set(column(tab, 2)) == {f"{name}@V1 frozen" for name in ("alexnet", "googlenet", "mobilenet")}
    tab.get_by_label("front only").check()
    assert 0 < len(column(tab, 2)) < 3


def test_a_contender_under_the_pointer_lights_up_everywhere_and_an_epoch_in_all_curves(shown: Shown, page: Path) -> None:
    tab = shown(page)
    tab.locator("table.board tbody tr").nth(1).hover()
    lit = set(tab.eval_on_selector_all(".hot", "all => all.map(one => one.dataset.c)"))
    assert lit == {"r1-2"}
    assert tab.locator(".hot").count() >= 5
    tab.locator("svg.curve").first.scroll_into_view_if_needed()
    tab.locator("svg.curve").first.hover()
    read = tab.locator(".readout").all_text_contents()
    assert len(read) == 6
    assert all(text.startswith("epoch ") for text in read)
    assert len({text.partition(":")[0] for text in read}) == 1


@pytest.mark.parametrize(("width", "media"), [(1280, "screen"), (375, "screen"), (718, "print")])
def test_nothing_runs_out_of_the_page(shown: Shown, page: Path, width: int, media: str) -> None:
    tab = shown(page, width=width, media=media)
    tab.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert overflow(tab) == 0
    if media == "print":
        assert tab.eval_on_selector_all(".scroll", "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length") == 0


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (375, "light")])
def test_axe_finds_nothing(shown: Shown, page: Path, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    tab = shown(page, width=width, scheme=scheme)
    tab.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    found = axe.Axe().run(tab).response["violations"]
    assert [(one["impact"], one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
