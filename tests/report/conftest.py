"""What the tests of reports share: runs that were written, not trained, and a browser to look at their pages."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium that is installed here; playwright's own is never fetched."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()
