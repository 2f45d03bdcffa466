"""Every kind of bad input that the command line is tried with, and what its answer must be like."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

MOST_LINES = 12
MOST_SECONDS = 10.0
MOST_MB = 2000

Make = Callable[[Path], Any]


@dataclass(frozen=True)
class Kind:
    """A line that must be refused with a code, after `make` has put into the folder what it is about.

    In the folder lies a sound dataset `good`; where `has_run`, a finished run too, as `xzoo-runs/*`.
    """

    name: str
    line: str
    code: int
    says: Sequence[str] = ()
    make: Make = lambda _: None
    has_run: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """The line as a shell hands it over."""
        return shlex.split(self.line)


def draw(folder: Path, classes: Sequence[str] = "ab", each: int = 4) -> Path:
    """Draw gray images of 16 pixels, `folder/CLASS/0.png` and so on, no two alike."""
    rng = np.random.default_rng(len(str(folder)))
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / name / f"{number}.png")
    return folder


def file(name: str, data: bytes | str | Callable[[], bytes] = b"") -> Make:
    """Return what writes a file."""

    def make(place: Path) -> None:
        content = data() if callable(data) else data
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def pipe(name: str) -> Make:
    """Return what makes a pipe that nobody writes into."""
    return lambda place: os.mkfifo(place / name)


def link(name: str, to: str) -> Make:
    """Return what makes a link."""
    return lambda place: (place / name).symlink_to(to)


def folder(name: str) -> Make:
    """Return what makes a folder."""
    return lambda place: (place / name).mkdir(parents=True)


def all_of(*makes: Make) -> Make:
    """Return what makes several things."""
    return lambda place: [make(place) for make in makes]


def giant(name: str, size: int = 3 * 10**9) -> Make:
    """Return what makes a file of holes: it claims three gigabytes and takes no room."""

    def make(place: Path) -> None:
        with (place / name).open("wb") as file:
            file.truncate(size)

    return make


def wrong(kind: Kind, code: int | None, out: str, err: str) -> list[str]:
    """Return what is wrong with the answer to a bad input; nothing where it is one screen that says what to do."""
    found = [f"exit code {code}, not {kind.code}"] if code != kind.code else []
    found += ["stdout is not empty"] if out else []
    found += ["it shows a traceback"] if "Traceback" in out + err else []
    lines = err.splitlines()
    found += [f"{len(lines)} lines"] if not 1 <= len(lines) <= MOST_LINES else []
    found += ["no error line"] if not any(line.startswith("error: ") for line in lines) else []
    found += ["no remedy"] if not (lines and lines[-1].startswith("  ") and lines[-1].strip()) else []
    found += ["it prints what a terminal obeys"] if not all(letter.isprintable() or letter == "\n" for letter in err) else []
    found += [f"it does not say {word!r}" for word in kind.says if word not in err]
    return found
