"""What the pages say is there is there, and nothing is left to be filled in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_a_gap_or_a_path_of_one_machine(page: Path) -> None:
    assert not re.findall(r"not run yet|DEMO_OUTPUT|TODO|TBD|/tmp/|/root/|/home/", page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"\b(?:docs|tests|src|plugins)/[A-Za-z_/\-]+\.(?:py|md)\b", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_tree_in_the_readme_names_every_page() -> None:
    [line] = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if line.startswith("docs/ ")]
    assert set(re.findall(r"[a-z\-]+\.md", line)) == {page.name for page in (ROOT / "docs").glob("*.md")}
