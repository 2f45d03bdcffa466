"""The blocks of a page: what each is, what it says, where it stands, and which of them nobody can run here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=ticks)$", re.MULTILINE | re.DOTALL)
_OUTCOMES = ("raises", "exits", "apart")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is to be written to where one is named, its text, and its line.

    Behind the language may stand `raises` (the code ends in the exception that the next block shows), `exits N` (the last command
    ends with this code), and `apart` (Python in a process of its own).
    """

    language: str
    file: str
    text: str
    line: int
    raises: bool = False
    exits: int = 0
    apart: bool = False


@dataclass(frozen=True)
class Unrun:
    """Blocks of a page that cannot run in a test, and why; `instead` are words to replace so that they can after all."""

    page: str
    reason: str
    begins: str = ""
    count: int = 1
    instead: Sequence[tuple[str, str]] = ()

    def holds(self, page: str, block: Block) -> bool:
        """Whether a block of a page is one of these; without `begins` every block of the page is."""
        return page == self.page and block.text.startswith(self.begins)

    def replaced(self, text: str) -> str:
        """Return a text with other words in the place of those that need what is not here; every one must be there."""
        for old, new in self.instead:
            assert old in text, f"nothing to replace: {old!r}"
            text = text.replace(old, new)
        return text


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order; Sphinx's own directives, in braces, are none."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        language, *words = found["info"].split() or [""]
        if not language.startswith("{"):
            line = text.count("\n", 0, found.start()) + 1
            exits = int(words[words.index("exits") + 1]) if "exits" in words else 0
            file = words[0] if words and words[0] not in _OUTCOMES else ""
            yield Block(language, file, found["body"], line, "raises" in words, exits, "apart" in words)


def pages() -> list[Path]:
    """Return the README and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    """Return a page's place in the tree, below docs/ where it is there."""
    return page.relative_to(ROOT / "docs" if ROOT / "docs" in page.parents else ROOT).as_posix()


def unrun() -> list[Unrun]:
    """Return the list of blocks that cannot run, tests/docs/unrun.toml."""
    listed = tomllib.loads(Path(__file__).with_name("unrun.toml").read_text("utf-8"))["blocks"]
    return [Unrun(**{**one, "instead": tuple(map(tuple, one.get("instead", ())))}) for one in listed]
