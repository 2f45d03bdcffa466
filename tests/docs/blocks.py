"""The blocks of a page: what each is, what it says, and where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file that it is to be written to where one is named, its text, and its line."""

    language: str
    file: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        language, _, file = found["info"].partition(" ")
        yield Block(language, file.strip(), found["body"], text.count("\n", 0, found.start()) + 1)
