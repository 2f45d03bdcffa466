"""Every block of every page is executed as it is written and says what stands below it, or stands in a counted list.

`pip` installs into a folder of the test, without a network, with what is installed here; apart from that nothing is replaced.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from blocks import ROOT, Block, blocks, name_of, pages, unrun
from photos import lay_out
from reader import RUN, Reader, read

APART = ("plugins.md", "contract.md")
"""Pages that install what they write, for which a process must begin anew."""

EMPTY_HANDED = ("tutorial.md", *APART)
"""Pages that begin in an empty folder; the others find photos and a finished run there."""

FIRST = "compare resnet18@random convgap --data photos/ --freeze frozen,finetune --seeds 2 --epochs 3 --set size=64 --no-latency"


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos and one finished run, made once and copied for each page."""
    reader = Reader(tmp_path_factory.mktemp("furnished"))
    lay_out(reader.here)
    reader.do(Block("console", "", f"$ xzoo {FIRST}\n", 0))
    return reader.here


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path, apart=True)


@pytest.mark.parametrize("page", [name_of(page) for page in pages() if any(one.language for one in blocks(page))])
def test_every_block_of_a_page_does_what_it_says(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = ROOT / page if (ROOT / page).exists() else ROOT / "docs" / page
    found, listed = list(blocks(place)), unrun()
    if page not in EMPTY_HANDED and any(one.language in RUN and not _left(page, one) for one in found):
        shutil.copytree(request.getfixturevalue("furnished"), tmp_path / "here")
    done, left = read(page, found, Reader(tmp_path, apart=page in APART), listed)
    assert done + left == sum(bool(one.language) for one in found)
    assert left == sum(one.count for one in listed if one.page == page)


def _left(page: str, block: Block) -> bool:
    return any(one.holds(page, block) and not one.instead for one in unrun())


def test_what_is_not_run_is_listed_with_a_reason_and_counted() -> None:
    found = {name_of(page): list(blocks(page)) for page in pages()}
    for one in unrun():
        assert one.reason, one
        assert sum(one.holds(one.page, block) for block in found.get(one.page, ())) == one.count, one


def test_the_plugin_of_the_readme_is_short_and_works_as_it_is_written(reader: Reader) -> None:
    [source] = [block for block in blocks(ROOT / "README.md") if block.file == "mynet.py"]
    assert len(source.text.splitlines()) <= 20
    # The same file as a distribution's module, with the entry point that the page speaks of.
    (reader.site / "mynet.py").write_text(source.text)
    info = reader.site / "mynet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mynet\nVersion: 1.0\n")
    [entry] = [line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if '`mynet = "mynet"`' in line]
    assert "xzoo.backbones" in entry
    (info / "entry_points.txt").write_text("[xzoo.backbones]\nmynet = mynet\n")
    reader.do(Block("sh", "", "xzoo plugins --strict --no-plugin xzoo", 0))
    assert "mynet   mynet 1.0     ok" in (reader.said or "")
