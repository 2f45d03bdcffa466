from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
