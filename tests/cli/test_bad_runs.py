"""Runs that are not there or no longer whole, and images that cannot be predicted: one screen, the right code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., None]
Run = Callable[..., tuple[int, str, str]]

WITHOUT_RUNS = [
    ("predict last good", 2, ["'last'", "xzoo-runs"]),
    ("predict '' good", 2, ["RUN is empty"]),
    ("predict last", 2, ["PATHS"]),
    ("predict good good", 2, ["'good'", "xzoo runs"]),
    ("runs show last", 2, ["'last'", "xzoo runs"]),
    ("runs show", 2, ["RUN"]),
    ("runs diff last", 2, ["B"]),
    ("runs diff last 12ab", 2, ["'last'"]),
    ("runs --runs ''", 2, ["--runs is empty"]),
    ("runs shwo last", 2, ["shwo"]),
]


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(("line", "code", "says"), WITHOUT_RUNS, ids=[line for line, _, _ in WITHOUT_RUNS])
def test_runs_that_are_not_there_are_refused(refused: Refused, line: str, code: int, says: list[str]) -> None:
    refused(line, code, *says)


@pytest.fixture
def run(command: Run, good: Path, place: Path) -> Path:
    """The folder of a finished run."""
    words = "compare convgap --data good --epochs 1 --seeds 1 --freeze frozen --set size=16"
    assert command(*words.split())[0] == 0
    [plan] = place.glob("xzoo-runs/*/plan.json")
    return plan.parent


def test_what_cannot_be_predicted_is_named(refused: Refused, run: Path, place: Path) -> None:
    (place / "empty").mkdir()
    (place / "zero.png").write_bytes(b"")
    (place / "text.png").write_text("hello")
    refused("predict last gone.png", 2, "gone.png does not exist")
    refused("predict last empty", 2, "empty holds no images")
    refused("predict last good zero.png text.png", 2, "2 of 10 images", "zero.png (it has no bytes)", "text.png (")
    refused("predict last good --contender alexnet", 2, "'alexnet'", "convgap@random frozen")
    refused("predict last good --seed 7", 2, "7")
    refused("predict last good --device tpu", 2, "'tpu'")
    refused("runs diff last zzz", 2, "'zzz'")


@pytest.mark.parametrize("file", ["plan.json", "compare.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_run_that_was_altered_is_named(refused: Refused, run: Path, file: str, content: bytes) -> None:
    (run / file).write_bytes(content)
    refused("runs show last" if file == "compare.json" else "predict last good", 5, file, "run its command again")


def test_a_network_that_was_not_kept_or_was_altered_is_named(refused: Refused, run: Path) -> None:
    [learnt] = run.glob("learnt/*.safetensors")
    learnt.write_bytes(learnt.read_bytes()[:-20])
    refused("predict last good", 5, learnt.name)
    learnt.unlink()
    refused("predict last good", 2, "convgap@random frozen")
