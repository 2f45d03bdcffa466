"""The guards of mutants.toml point at code that is there, at tests that are there, and docs/guards.md lists each of them.

That the tests fail without the guard is what `python tests/mutations.py` shows.
"""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTANTS = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text("utf-8"))["mutant"]


def test_every_mutation_finds_the_text_that_it_changes() -> None:
    lost = []
    for mutant in MUTANTS:
        texts: dict[str, str] = {}
        for file, old, new in mutant["edits"]:
            text = texts.get(file) or (ROOT / file).read_text("utf-8")
            if old not in text:
                lost.append((mutant["guard"], file, old))
            texts[file] = text.replace(old, new)
    assert lost == []


def test_every_guard_names_tests_that_are_there() -> None:
    words = [word for mutant in MUTANTS for word in shlex.split(mutant["tests"]) if word.startswith("tests/")]
    assert [word for word in words if not (ROOT / word.partition("::")[0]).exists()] == []


def test_every_guard_is_listed() -> None:
    rows = (ROOT / "docs" / "guards.md").read_text("utf-8")
    assert [mutant["guard"] for mutant in MUTANTS if f"| {mutant['guard']} |" not in rows] == []
