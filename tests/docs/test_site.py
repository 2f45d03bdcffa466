"""The site is built without a warning, and every page is in its table of contents."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with warnings as errors."""
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", str(folder / "trees"), str(ROOT / "docs")]
    done = subprocess.run([*words, str(folder / "html")], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


def test_every_page_is_built(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 30
    assert {page for page in pages if not (site / page).exists()} == set()


def test_a_link_to_a_place_in_a_page_finds_it(site: Path) -> None:
    index = (site / "errors" / "index.html").read_text("utf-8")
    links = re.findall(r'href="(\w+\.html)#([\w\-]+)"', index)
    assert len(links) > 15
    assert [(page, place) for page, place in links if f'id="{place}"' not in (site / "errors" / page).read_text("utf-8")] == []


def test_the_pages_are_searched_without_a_network(site: Path) -> None:
    assert (site / "searchindex.js").stat().st_size > 10_000
    loaded = re.findall(r'<(?:script|link)[^>]*(?:src|href)="(https?:[^"]+)"', (site / "index.html").read_text("utf-8"))
    assert loaded == []
