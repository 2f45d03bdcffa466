"""A comparison on a pseudo terminal whose window changes while it runs, and Ctrl-C: a user's screen, cell by cell."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

START = "import sys; from xzoo.cli import main; sys.exit(main())"
ESCAPE = re.compile(r"\x1b\[([?]?)([0-9;]*)([A-Za-z])|\x1b[=>78]")
PATIENCE = 300.0


class Screen:
    """What a terminal shows that breaks long rows anew when its width changes, as most do; rows that scroll away are kept."""

    def __init__(self, width: int) -> None:
        self.width, self.row, self.column, self.is_cursor_shown = width, 0, 0, True
        self.rows: list[list[str]] = [[]]
        self.goes_on: list[bool] = [False]
        self._rest = ""

    def feed(self, text: str) -> None:
        text, self._rest, place = self._rest + text, "", 0
        while place < len(text):
            if text[place] == "\x1b":
                found = ESCAPE.match(text, place)
                if found is None:
                    self._rest = text[place:]
                    return
                self._obey(found)
                place = found.end()
            else:
                self._put(text[place])
                place += 1

    def resize(self, width: int) -> None:
        """Join the rows that were broken, and break them at the new width; the cursor stays where it is in the text."""
        wholes: list[list[str]] = []
        for number, row in enumerate(self.rows):
            if number == self.row:
                before = sum(len(one) for one in self._line_before(number))
                mark = (len(wholes) - self.goes_on[number - 1] if number else 0, before + self.column)
            if number and self.goes_on[number - 1]:
                wholes[-1] += row
            else:
                wholes.append(list(row))
        self.rows, self.goes_on, self.width = [], [], width
        for number, whole in enumerate(wholes):
            pieces = [whole[start : start + width] for start in range(0, max(len(whole), 1), width)]
            if number == mark[0]:
                self.row, self.column = len(self.rows) + min(mark[1] // width, len(pieces) - 1), mark[1] % width
            self.rows += pieces
            self.goes_on += [True] * (len(pieces) - 1) + [False]

    def lines(self) -> list[str]:
        """Return the rows as they stand, without the empty ones at the end."""
        shown = ["".join(row).rstrip() for row in self.rows]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def _line_before(self, number: int) -> Iterator[list[str]]:
        while number and self.goes_on[number - 1]:
            number -= 1
            yield self.rows[number]

    def _put(self, letter: str) -> None:
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self._down(goes_on=False)
        else:
            if self.column >= self.width:
                self._down(goes_on=True)
                self.column = 0
            row = self.rows[self.row]
            row += [" "] * (self.column + 1 - len(row))
            row[self.column] = letter
            self.column += 1

    def _down(self, *, goes_on: bool) -> None:
        self.goes_on[self.row] = goes_on
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append([])
            self.goes_on.append(False)

    def _obey(self, found: re.Match[str]) -> None:
        private, words, kind = found.groups()
        if private and words == "25":
            self.is_cursor_shown = kind == "h"
        elif kind == "A":
            self.row = max(0, self.row - int(words or 1))
        elif kind == "K" and words == "2":
            self.rows[self.row], self.goes_on[self.row], self.goes_on[self.row - 1] = [], False, False
        else:
            assert kind in {"m", "h", "l"} or found[0] in {"\x1b=", "\x1b>"}, found[0]


def test_the_screen_breaks_rows_as_a_terminal_does() -> None:
    screen = Screen(6)
    screen.feed("\x1b[?25labcdef\r\ngh")
    screen.resize(4)
    assert (screen.lines(), screen.row, screen.column, screen.is_cursor_shown) == (["abcd", "ef", "gh"], 2, 2, False)
    screen.feed("\r\x1b[2K\x1b[1A\x1b[2Kxyz12")
    assert screen.lines() == ["abcd", "xyz1", "2"]
    screen.resize(9)
    assert screen.lines() == ["abcd", "xyz12"]


def take_the_terminal() -> None:
    """Make the terminal at stdin this process's own, and listen to Ctrl-C, which shells switch off for what runs behind."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A process on a pseudo terminal of its own, and what its screen shows."""

    def __init__(self, words: list[str], folder: Path, width: int) -> None:
        self.master, slave = pty.openpty()
        self.screen = Screen(width)
        self._set_width(width)
        left_out = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        path = os.pathsep.join(place for place in sys.path if place)
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env={**kept, "PYTHONPATH": path, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,
            preexec_fn=take_the_terminal,  # noqa: PLW1509 - nothing else runs here yet
        )
        os.close(slave)
        self.raw = ""

    def is_drawn(self) -> bool:
        """Whether the view stands on the screen whole: its last line is written last."""
        return " gone" in (self.screen.lines() or [""])[-1]

    def read_until(self, is_enough: Callable[[], bool]) -> None:
        """Read until the screen is as it should be, or the process has closed it."""
        end = time.monotonic() + PATIENCE
        while not is_enough():
            assert time.monotonic() < end, self.raw[-2000:]
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    found = os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    return
                self.raw += found
                self.screen.feed(found)

    def resize(self, width: int) -> None:
        """Change the window's width, and wait until the view was drawn twice on it."""
        self.screen.resize(width)
        self._set_width(width)
        drawn = self.raw.count(" gone")
        self.read_until(lambda: self.raw.count(" gone") > drawn + 1 and self.is_drawn())

    def _set_width(self, width: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))


NET = """import xzoo
def build():
    from torch import nn
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 4))
net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("3"), stages={"stem": "0"})
"""


@pytest.fixture
def terminal(place: Path, good: Path) -> Iterator[Terminal]:
    """A comparison of two endless cells."""
    (place / "net.py").write_text(NET)
    settings = [part for one in ["size=16", "precision=fp32", "batch_size=8"] for part in ("--set", one)]
    words = (
        f"compare ./net.py:net --data {good.name} --freeze finetune --epochs 100000 --seeds 2 --no-latency --device cpu".split()
    )
    opened = Terminal([*words, *settings], place, 90)
    yield opened
    opened.process.kill()
    opened.process.wait()
    os.close(opened.master)


def test_the_view_survives_a_window_that_changes_and_leaves_nothing_behind_when_it_is_interrupted(terminal: Terminal) -> None:
    screen = terminal.screen
    terminal.read_until(lambda: "validation accuracy" in terminal.raw and terminal.is_drawn())
    begin = [number for number, line in enumerate(screen.lines()) if line.startswith("cells  ")]
    above = screen.lines()[: begin[0]]
    assert above[-1].startswith("2 cells, kept in ")
    for width in (50, 33, 120, 21, 90):
        terminal.resize(width)
        screen.resize(120)
        lines = screen.lines()
        screen.resize(width)
        assert [line[:5] for line in lines[len(above) :]] == ["cells", "net@r", "  tra", "  val", lines[-1][:5]]
        assert lines[: len(above)] == above
        assert max(map(len, lines[len(above) :])) <= width - 3
    assert not screen.is_cursor_shown
    os.write(terminal.master, b"\x03")
    terminal.read_until(lambda: False)
    assert terminal.process.wait() == 130
    screen.resize(120)
    assert screen.lines() == [*above, "error: interrupted", "  run the same command again: it goes on from what is kept"]
    assert screen.is_cursor_shown
