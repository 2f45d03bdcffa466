"""What the tests of reports share: runs that were written, not trained, and a browser to look at their pages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from written_run import Wish, write_run
from xzoo.compare.outcome import Outcome
from xzoo.runs.result import Finding


@pytest.fixture(scope="session")
def writer() -> Callable[..., Outcome]:
    """Write a run folder: `writer(folder, names=..., seeds=...)`; the words are those of `Wish`."""

    def write(folder: Path, **wishes: Any) -> Outcome:
        return write_run(folder, Wish(**wishes))

    return write


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six contenders and three seeds."""
    folder = tmp_path_factory.mktemp("runs") / "0123456789ab"
    finding = Finding("chance", "warning", "a contender cannot be told from guessing", "train longer")
    write_run(folder, Wish(findings=[finding]))
    return folder
