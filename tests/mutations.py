"""Each guard of mutants.toml taken away, one at a time, in a copy of the tree: the tests named beside it must fail.

    python tests/mutations.py [WORD ...]      # only the mutants whose guard or file holds a WORD

Prints a table of guard, mutation and failed tests. Exits 1 where a mutant survives, its text is no longer in the source, or a
test fails without it. pytest does not collect this file.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Mutant:
    """A guard, the tests that must notice its absence, and what takes it away: (file, old text, new text), ..."""

    guard: str
    tests: str
    edits: tuple[tuple[str, str, str], ...]


def read() -> list[Mutant]:
    """Return the mutants of mutants.toml."""
    rows = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text("utf-8"))["mutant"]
    return [Mutant(row["guard"], row["tests"], tuple((file, old, new) for file, old, new in row["edits"])) for row in rows]


def main(words: Sequence[str]) -> int:
    """Run the mutants that the words choose, print the table, and return the exit code."""
    chosen = [one for one in read() if not words or any(word in one.guard or word in one.edits[0][0] for word in words)]
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place)
        for name in ("src", "plugins", "tests", "docs"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        before = [
            f"without any mutant: {line}" for tests in dict.fromkeys(one.tests for one in chosen) for line in wrong(tree, tests)
        ]
        print("| guard | mutation | failed tests |\n| --- | --- | --- |", flush=True)
        faults = before + [fault for one in chosen for fault in tried(tree, one)]
    print("\n" + "\n".join(faults or [f"{len(chosen)} mutants, none survived"]))
    return bool(faults)


def tried(tree: Path, one: Mutant) -> Iterator[str]:
    """Run the tests of a mutant, print its line, and yield what is wrong with it."""
    kept: dict[Path, str] = {}
    try:
        for file, old, new in one.edits:
            text = (tree / file).read_text("utf-8")
            kept.setdefault(tree / file, text)
            if old not in text:
                yield f"{one.guard}: {file} no longer holds {old!r}"
                return
            (tree / file).write_text(text.replace(old, new), "utf-8")
        code, failed, output = run(tree, one.tests)
    finally:
        for path, text in kept.items():
            path.write_text(text, "utf-8")
    told = "; ".join(f"`{Path(file).name}`: `{brief(old)}` -> `{brief(new)}`" for file, old, new in one.edits)
    print(f"| {one.guard} | {told} | {', '.join(failed) or 'NONE'} |", flush=True)
    if code != 1 or not failed:
        yield f"{one.guard}: survived {one.tests} (pytest exit {code})\n{output[-1500:] if code else ''}"


def wrong(tree: Path, tests: str) -> list[str]:
    """Return what fails in the unchanged tree."""
    code, failed, output = run(tree, tests)
    return [f"{tests}: {', '.join(failed) or output[-1500:]}"] if code else []


def run(tree: Path, tests: str) -> tuple[int, list[str], str]:
    """Run tests in the tree; return pytest's exit code, the names of failed tests, and its output."""
    path = os.pathsep.join(str(tree / name) for name in ("src", "plugins"))
    command = [sys.executable, "-B", "-m", "pytest", "-q", "--maxfail=3", *shlex.split(tests)]
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode == 0 and not re.search(r"\d+ passed", done.stdout):
        return 1, ["(the process ended in the middle of a test)"], done.stdout + done.stderr
    return done.returncode, re.findall(r"^FAILED \S+?::(.+?)(?: - .*)?$", done.stdout, re.MULTILINE), done.stdout + done.stderr


def brief(text: str) -> str:
    """Return code on one line, short enough for a table."""
    line = " ".join(text.split()).replace("|", "\\|") or "(removed)"
    return line if len(line) <= 60 else f"{line[:57]}..."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
