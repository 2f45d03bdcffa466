"""Every block of the pages for authors of plugins is executed, in order and as it is written, and says what stands below it.

`pip` installs into a folder of the test, without a network, with what is installed here; apart from that nothing is replaced.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from blocks import Block, blocks

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PROGRAMS = {
    "python": 'exec {python} "$@"',
    "pytest": 'exec {python} -m pytest "$@"',
    "xzoo": "exec {python} -c 'import sys; from xzoo.cli import main; sys.exit(main())' \"$@\"",
    # A folder on PYTHONPATH cannot hold an editable installation.
    "pip": 'for word; do shift; [ "$word" = -e ] || set -- "$@" "$word"; done; exec {python} -m pip -q "$@"',
}


class Reader:
    """Someone who does what a page says, in a folder and with an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.here, self.site, programs = folder / "here", folder / "site", folder / "bin"
        for made in (self.here, self.site, programs):
            made.mkdir()
        for name, line in PROGRAMS.items():
            (programs / name).write_text(f"#!/bin/sh\n{line.format(python=sys.executable)}\n")
            (programs / name).chmod(0o755)
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        self.variables = {
            **own,
            "PATH": os.pathsep.join([str(programs), own["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(self.site), *(place for place in sys.path if place)]),
            "PYTEST_ADDOPTS": "-p no:cacheprovider --benchmark-disable",
            **{"PIP_TARGET": str(self.site), "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"},
        }
        self.said = ""

    def do(self, block: Block) -> None:
        """Write a block's file, run it, or compare it with what was said before. Raises AssertionError."""
        if block.file:
            (self.here / block.file).write_text(block.text)
        elif block.language == "python":
            self.said = self._run([sys.executable, "-c", block.text])
        elif block.language == "sh":
            self.said = self._run(["bash", "-euo", "pipefail", "-c", block.text])
        else:
            assert block.language == "text", f"a block of {block.language!r} is not executed"
            told = [" ".join(line.split()) for line in self.said.splitlines()]
            missing = [line for line in block.text.splitlines() if line.strip() and not _is_among(" ".join(line.split()), told)]
            assert missing == [], f"was said:\n{self.said}"

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.here, env=self.variables, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _is_among(shown: str, told: list[str]) -> bool:
    """Whether a line was said; one that ends in dots stands for all that begin like it."""
    return any(line.startswith(shown[:-3]) for line in told) if shown.endswith("...") else shown in told


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.mark.parametrize("page", ["plugins.md", "contract.md"])
def test_every_block_of_a_page_does_what_it_says(reader: Reader, page: str) -> None:
    done = 0
    for block in blocks(ROOT / "docs" / page):
        try:
            reader.do(block)
        except AssertionError as error:
            pytest.fail(f"docs/{page}, line {block.line}: {error}")
        done += 1
    assert done > 5


def test_the_plugin_of_the_readme_is_short_and_works_as_it_is_written(reader: Reader) -> None:
    [source] = [block for block in blocks(README) if block.file == "mynet.py"]
    assert len(source.text.splitlines()) <= 20
    reader.do(source)
    [command] = [
        line.removeprefix("$ ")
        for block in blocks(README)
        for line in block.text.splitlines()
        if line.startswith("$ ") and "./mynet.py:net" in line
    ]
    small = "--data phantom:train=16,val=8,test=8,size=32 --seeds 1 --epochs 1 --set size=32 --no-latency"
    reader.do(Block("sh", "", command.replace("--data photos/", small), 0))
    assert "mynet@random finetune" in reader.said
    # The same file as a distribution's module, with the entry point that the page speaks of.
    (reader.site / "mynet.py").write_text(source.text)
    info = reader.site / "mynet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mynet\nVersion: 1.0\n")
    [entry] = [line for line in README.read_text("utf-8").splitlines() if '`mynet = "mynet"`' in line]
    assert "xzoo.backbones" in entry
    (info / "entry_points.txt").write_text("[xzoo.backbones]\nmynet = mynet\n")
    reader.do(Block("sh", "", "xzoo plugins --strict --no-plugin xzoo", 0))
    assert "mynet   mynet 1.0     ok" in reader.said
