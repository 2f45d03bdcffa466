"""What kills.py found, as a table of a page: python tests/faults/kills_page.py docs/durability.md RESULT.json ..."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from kills_watched import PHASES

BEGIN, END = "<!-- kills -->\n", "<!-- end of kills -->\n"
_WORDS = {"KILL": "SIGKILL", "INT": "Ctrl-C", "TERM": "SIGTERM"}


def table(results: list[dict[str, Any]]) -> str:
    """Return a row for each signal, of all campaigns with it."""
    head = ["signal", "times", "comparisons", *PHASES, "steps made again", "anything wrong"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for signal, words in _WORDS.items():
        found = [one for one in results if one["signal"] == signal]
        if found:
            landed = [sum(one["landed in"][phase] for one in found) for phase in PHASES]
            figures = [*(sum(one[key] for one in found) for key in ("kills", "comparisons")), *landed]
            figures += [sum(one["steps made again"] for one in found), sum(len(one["wrong"]) for one in found)]
            lines.append(f"| {words} | {' | '.join(f'{figure:,}' for figure in figures)} |")
    seeds = {words: [one["seed"] for one in results if one["signal"] == signal] for signal, words in _WORDS.items()}
    told = "; ".join(f"{words} {', '.join(map(str, sorted(each)))}" for words, each in seeds.items() if each)
    return "\n".join([*lines, "", f"Seeds: {told}. One comparison has {results[0]['steps of one']} steps in its loops.", ""])


def main(page: str, *files: str) -> None:
    """Write the table between its marks."""
    path = Path(page)
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(before + BEGIN + table([json.loads(Path(file).read_text()) for file in files]) + END + after)


if __name__ == "__main__":
    main(*sys.argv[1:])
