"""The report of a real run, in a browser: pretrained and random backbones on chest X-rays, on few images of few pixels."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from xzoo.compare.api import compare

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif("XZOO_REAL" not in os.environ, reason="XZOO_REAL names no folder of real data"),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium is installed"),
]
PLUGIN = Path(__file__).with_name("mobilenet.py")
MOST_BYTES = 5_000_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three backbones under two strategies with three seeds, on few images of few pixels."""
    folder = tmp_path_factory.mktemp("real")
    os.environ.setdefault("XZOO_CACHE", str(folder / "cache"))
    names = [f"{PLUGIN}:net", "alexnet@random", "googlenet@random"]
    data = Path(os.environ["XZOO_REAL"]) / "data" / "cxr"
    recipe = {"epochs": 3, "size": 96}
    outcome = compare(names, data, freeze=["frozen", "finetune"], recipe=recipe, train_size=["300"], runs=folder / "runs")
    assert outcome.failed == []
    return outcome.report(folder / "report.html")


@pytest.mark.parametrize(("width", "media"), [(1280, "screen"), (375, "screen"), (718, "print")])
def test_the_page_of_a_real_run_is_whole_and_quiet(page: Path, browser: Any, width: int, media: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    said: list[str] = []
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda request: said.extend([] if request.url.startswith(("file:", "data:")) else [request.url]))
    tab.emulate_media(media=media)
    tab.goto(page.as_uri())
    assert tab.locator("section").count() == 12
    assert all(tab.eval_on_selector_all("svg", "all => all.map(one => one.getBoundingClientRect().width > 100)"))
    pictures = tab.eval_on_selector_all("img", "all => all.map(one => one.naturalWidth > 0 && one.alt.length > 0)")
    assert len(pictures) >= 12
    assert all(pictures)
    assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    if media == "screen":
        found = axe.Axe().run(tab).response["violations"]
        assert [(one["impact"], one["id"]) for one in found] == []
    tab.close()
    assert said == []
    assert page.stat().st_size <= MOST_BYTES
