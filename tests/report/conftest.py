"""What the tests of reports share: runs that were written, not trained, and a browser to look at their pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from written_run import Wish, write_run
from xzoo.audit.outcome import CopyRow, GiveawayRow
from xzoo.compare.outcome import Outcome
from xzoo.report.album import picture
from xzoo.report.contents import Contents
from xzoo.report.sections.faults import Faults
from xzoo.report.sections.maps import Mapped, Maps, Shown
from xzoo.runs.result import Finding


@pytest.fixture(scope="session")
def writer() -> Callable[..., Outcome]:
    """Write a run folder: `writer(folder, names=..., seeds=...)`; the words are those of `Wish`."""

    def write(folder: Path, **wishes: Any) -> Outcome:
        return write_run(folder, Wish(**wishes))

    return write


@pytest.fixture(scope="session")
def pictured() -> Callable[[Contents, Sequence[str]], Contents]:
    """Give a run's contents pictures: copies, giveaways and maps of images, classes and answers of these names."""

    def give(found: Contents, names: Sequence[str]) -> Contents:
        uri = picture(np.random.default_rng(0).integers(0, 255, (128, 128, 1)).astype(np.uint8))
        shown = [
            Shown(id=one, label=one, answer=names[-1], said=0.9, image=uri, painted=uri, is_empty=place > 0)
            for place, one in enumerate(names)
        ]
        mapped = Mapped(number=1, id=names[0], seed=0, layer=names[0], hits=shown[:4], misses=shown)
        lost = Mapped(number=2, id=names[0], seed=None, layer="", hits=[], misses=[], reason=names[0])
        faulty = Faults(
            findings=[],
            splits=[["split"], ["train"]],
            shifts=[],
            copies=[CopyRow(one, one, "pixels", ("train", "test"), (one, one), 1.0, 1.0) for one in names],
            num_copies=len(names),
            giveaways=[GiveawayRow(one, "test", one, 0.99) for one in names],
            features="traits",
            pictures=dict.fromkeys(names, uri),
            not_examined=[],
        )
        return dataclasses.replace(found, maps=Maps([mapped, lost]), faults=faulty)

    return give


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six contenders and three seeds."""
    folder = tmp_path_factory.mktemp("runs") / "0123456789ab"
    finding = Finding("chance", "warning", "a contender cannot be told from guessing", "train longer")
    write_run(folder, Wish(findings=[finding]))
    return folder
