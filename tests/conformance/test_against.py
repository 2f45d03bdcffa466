"""`pytest --xzoo-bench NAME --xzoo-baseline BASE`: what is timed against what, and what the verdict makes of pytest's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NET = """
import xzoo


def build():
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("4"), stages={"conv": "0"})
"""
# Minutes of turns become numbers: the ratio of every pair stands in a file of the side that is timed.
QUICK = """
from xzoo.conformance.pairing import judging
from xzoo.conformance.pairing.decision import Turn, ratio_of


def turn(base, head, work, *, pairs, rounds):
    times = [float((side / "seconds.txt").read_text()) for side in (base, head)]
    noise = float((head / "noise.txt").read_text())
    jitter = [-1e-3, 1e-3, 0, 2e-3, -2e-3]
    assert len(jitter) == pairs
    ratio = times[1] / times[0] - 1
    return Turn(ratio_of([ratio + one for one in jitter]), ratio_of([noise + one for one in jitter]))


judging.turn = turn
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with a backbone, whose one commit took a second."""
    for name, text in {"mynet.py": NET, "conftest.py": QUICK, "seconds.txt": "1.0", "noise.txt": "0.0"}.items():
        (tmp_path / name).write_text(text)
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True, capture_output=True)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables = {**inherited, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--confcutdir=/", "-p", "conftest", *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("seconds", "noise", "code", "told"),
    [
        ("1.0", "0.0", 0, ["3 passed", "inference ./mynet.py:net batch 1: not slower", "head/base 1.000", "against HEAD"]),
        ("1.1", "0.0", 1, ["3 failed", "train-finetune ./mynet.py:net batch 16: slower", "turn 2: head/base 1.105"]),
        ("1.1", "0.05", 0, ["3 skipped", "inconclusive (like and like differ"]),
    ],
)
def test_the_working_folder_is_judged_against_a_commit(
    folder: Path, seconds: str, noise: str, code: int, told: list[str]
) -> None:
    (folder / "seconds.txt").write_text(seconds)
    (folder / "noise.txt").write_text(noise)
    done = run(folder, "--xzoo-bench", "./mynet.py:net", "--xzoo-baseline", "HEAD")
    assert done.returncode == code, done.stdout + done.stderr
    assert [words for words in told if words not in done.stdout] == [], done.stdout


def test_a_baseline_that_is_not_there_and_one_without_a_name_are_wrong_use(folder: Path) -> None:
    done = run(folder, "--xzoo-bench", "./mynet.py:net", "--xzoo-baseline", "v99")
    assert done.returncode == 4
    assert "v99 is neither a folder nor a revision" in done.stdout + done.stderr
    done = run(folder, "--xzoo-baseline", "HEAD")
    assert done.returncode == 4
    assert "--xzoo-baseline goes with --xzoo-bench NAME" in done.stderr
