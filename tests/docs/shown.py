"""Whether what a page shows is what was said: figures that repeat must be equal; times, and what hangs on them, are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Columns of tables that differ from call to call: times, and the front, which weighs them.
_TIMED = re.compile(r"(train|load|fetch) s|seconds|front|.*\bms\b.*|p50|p90|p99|images/s.*|when|age|free")
_PASSING = (
    (re.compile(r"(?<![\w.])\d+(\.\d+)? (s|ms|min|seconds|images/s|MB/s|images per second)\b"), r"~ \2"),
    (re.compile(r"xzoo-runs/[0-9a-f]{6,}"), "xzoo-runs/~"),
    (re.compile(r"(?<!\S)(/[\w.\-]+)+/(?=[\w.\-]+)"), "~/"),
    (re.compile(r"\bpid \d+"), "pid ~"),
    (re.compile(r"-{3,}|─{3,}"), "---"),
    (re.compile(r"\s+"), " "),
)


def normal(text: str) -> list[str]:
    """Return the lines that say something, without what differs from call to call."""
    lines = text.splitlines()
    for place, line in enumerate(lines[:-1]):
        if line.strip() and re.fullmatch(r"-{3,}", lines[place + 1].strip()):
            _hide_times(lines, place)
    return [_plain(line) for line in lines if line.strip()]


def missing(shown: str, said: str, *, whole: bool) -> list[str]:
    """Return the lines of a page that were not said, in their order; dots stand for any text, a line of dots for any lines.

    With `whole` nothing that was said may be left out of the page but where dots stand.
    """
    wanted, told = normal(shown), normal(said)
    place, is_gap = 0, not whole
    for number, line in enumerate(wanted):
        if line == "...":
            is_gap = True
            continue
        places = range(place, len(told)) if is_gap else range(place, min(place + 1, len(told)))
        found = next((one for one in places if _fits(line, told[one])), None)
        if found is None:
            return wanted[number:]
        place, is_gap = found + 1, not whole
    return [] if is_gap or place == len(told) else [f"(left out) {line}" for line in told[place:]]


def _fits(shown: str, said: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, shown.split("..."))), said) is not None


def _plain(line: str) -> str:
    for pattern, replacement in _PASSING:
        line = pattern.sub(replacement, line)
    return line.strip()


def _hide_times(lines: list[str], head: int) -> None:
    """Blank the columns of a table that hold times; their cells end where their headings end, or begin where these begin."""
    columns = [(found.start(), found.end(), found.group()) for found in re.finditer(r"\S+( \S+)*", lines[head])]
    spans = [(_end_before(columns, place), end) for place, (_, end, name) in enumerate(columns) if _TIMED.fullmatch(name)]
    for row in range(head + 2, len(lines)):
        if not lines[row].strip():
            break
        for first, high in spans:
            # A cell that reaches over the border belongs to the column before.
            low = re.compile(r"(?<=\S)\S*|").match(lines[row], min(first, len(lines[row]))).end()  # type: ignore[union-attr]
            lines[row] = lines[row][:low] + " " * (min(high, len(lines[row])) - low) + lines[row][high:]


def _end_before(columns: Sequence[tuple[int, int, str]], place: int) -> int:
    return columns[place - 1][1] if place else 0
