"""The reference is what is declared, and says something of every public name and every kind of error."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import xzoo
from blocks import ROOT, blocks
from reference import FOLDER, PAGES
from xzoo import errors
from xzoo.cli import ending

ERRORS = ROOT / "docs" / "errors"


def kinds() -> dict[str, int]:
    """Return every kind of error that a user can meet, and its exit code."""
    found = [kind for room in (errors, ending) for kind in vars(room).values() if isinstance(kind, type)]
    return {kind.kind: kind.exit_code for kind in found if issubclass(kind, errors.XzooError)}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_is_declared(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "python tests/docs/reference.py writes it anew"


def test_the_reference_holds_no_other_page() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)


@pytest.mark.parametrize("name", xzoo.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(xzoo, name)
    page = (FOLDER / "python.md").read_text("utf-8")
    assert f"\n## {name}\n" in page
    if name != "__version__":
        own = inspect.getdoc(value) if callable(value) else type(value).__doc__
        assert own
        assert not own.startswith(f"{name}("), "a dataclass's own docstring is its signature"


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_of_error_has_a_page_that_fails_and_mends(kind: str) -> None:
    page = ERRORS / f"{kind}.md"
    found = list(blocks(page))
    assert page.read_text("utf-8").startswith(f"# {kind}: ")
    failing = [place for place, block in enumerate(found) if block.raises or block.exits]
    mending = [place for place, block in enumerate(found) if block.language and not (block.raises or block.exits)]
    assert failing
    assert max(mending) > min(failing)
    index = (ERRORS / "index.md").read_text("utf-8")
    assert f"| [{kind}]({kind}.md) | {kinds()[kind]} |" in index
    assert re.search(rf"^{kind}$", index, re.MULTILINE), "it is not in the table of contents"


def test_a_page_of_an_error_is_that_of_a_kind() -> None:
    assert {path.stem for path in ERRORS.glob("*.md")} == {*kinds(), "index"}


def words(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower())


def test_what_the_index_says_of_pytorch_stands_on_the_page_it_points_to() -> None:
    table = (ERRORS / "index.md").read_text("utf-8").partition("## By PyTorch's own words")[2]
    rows = re.findall(r"^\| (.+) \| \[\w+\]\((\w+\.md)(?:#.*?)?\) \|$", table, re.MULTILINE)
    assert len(rows) > 20
    for said, page in rows:
        text = words((ERRORS / page).read_text("utf-8"))
        for message in re.findall(r"`([^`]+)`", said):
            lost = [part for part in message.split("...") if words(part).strip() not in text]
            assert lost == [], f"{page} does not say {lost}"


def test_the_page_of_commands_names_every_command() -> None:
    from xzoo.cli.frame import COMMANDS

    page = Path(FOLDER / "commands.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"\n## xzoo {name}\n" not in page] == []
