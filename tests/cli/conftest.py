from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inputs import draw
from xzoo.cli import main

DISTS = Path(__file__).parents[1] / "dists"
START = "import sys; from xzoo.cli import main; sys.exit(main())"

Answer = tuple[int, str, str]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run words in this process, with the fake distributions installed; return exit code, stdout and stderr."""
    monkeypatch.syspath_prepend(str(DISTS))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("XZOO_DEBUG", raising=False)

    def run(*words: str) -> Answer:
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., Answer]:
    """Run words as a user does, in a process of their own; `code` replaces the program, `env` adds variables."""

    def run(*words: str, code: str = START, env: dict[str, str] | None = None) -> Answer:
        path = os.pathsep.join([str(DISTS), *(place for place in sys.path if place)])
        variables = {**os.environ, "PYTHONPATH": path, "TORCH_HOME": str(tmp_path / "torch"), **(env or {})}
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, env=variables, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def one_object() -> Callable[[str], dict[str, Any]]:
    """Read a stdout that must hold one JSON object and nothing else."""

    def read(text: str) -> dict[str, Any]:
        assert text.count("\n") == 1, text
        value = json.loads(text)
        assert isinstance(value, dict)
        return value

    return read


TINY = "--epochs 1 --seeds 1 --freeze frozen --set size=16"
MOST_LINES = 12
KINDS = {"preflight": 4, "usage": 2, "data": 2, "unavailable": 3, "weights": 3, "plugin": 3, "storage": 5}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with an empty cache beside it."""
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("XZOO_CACHE_LIMIT", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def good(place: Path) -> Path:
    """A dataset that can be used: two classes of four gray images."""
    return draw(place / "good")


@pytest.fixture(scope="session")
def images() -> Callable[..., Path]:
    return draw


def half_written(folder: Path) -> list[Path]:
    """Return what an interrupted or refused command must not leave: temporary files, and results."""
    return [path for pattern in ("*.tmp", "result.json", "*.safetensors") for path in folder.rglob(pattern)]


@pytest.fixture
def refused(command: Callable[..., Answer], one_object: Callable[[str], dict[str, Any]], tmp_path: Path) -> Callable[..., None]:
    """Run a line that must be refused, once for people and once for programs, and look at all that it leaves."""

    def check(line: str, code: int, *says: str) -> None:
        before = set(half_written(tmp_path))
        words = shlex.split(line)
        found, out, err = command(*words)
        assert (found, out) == (code, ""), err
        assert "Traceback" not in err
        assert len(err.splitlines()) <= MOST_LINES
        found, out, _ = command(*words, "--format", "json")
        told = one_object(out)
        assert (found, told["schema"]) == (code, "xzoo.error/1")
        assert KINDS[told["kind"]] == code
        assert f"error: {told['text']}\n  {told['remedy']}\n" in err
        assert told["remedy"]
        assert [word for word in says if word not in err] == [], err
        assert set(half_written(tmp_path)) == before

    return check


@pytest.fixture(scope="session")
def draw_dark_and_bright() -> Callable[[Path, int, int], None]:
    """Draw `folder/SPLIT/dark/0.png` and `bright`, eight noisy gray images each of 9 by 12 pixels; `bright` is their level."""

    def draw(folder: Path, noise: int, bright: int) -> None:
        rng = np.random.default_rng(0)
        for split in ("train", "val", "test"):
            for label, level in (("dark", 20), ("bright", bright)):
                (folder / split / label).mkdir(parents=True)
                for number in range(8):
                    pixels = rng.integers(0, noise, (9, 12)).astype(np.uint8) + level
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / split / label / f"{number}.png")

    return draw
