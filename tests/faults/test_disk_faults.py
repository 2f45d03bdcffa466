"""A part of what disk_faults.py tries whole: a disk that fails here and there, each error in turn, and the command again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def told_by(script: str, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HERE / script), *words], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == int(bool(found["wrong"]))
    return found


@pytest.mark.parametrize(("first", "every"), [(11, 31)])
def test_a_disk_that_fails_is_told_and_the_same_command_again_ends_well(first: int, every: int) -> None:
    found = told_by("disk_faults.py", "--turn", "0", "--first", str(first), "--every", str(every))
    assert found["wrong"] == {}
    assert found["points"]["any"] > 150
    assert len(found["tried"]) == 5


def test_several_commands_of_one_plan_share_its_cells_and_take_over_those_of_a_killed_one() -> None:
    found = told_by("several_at_once.py", "--rounds", "2", "--commands", "2")
    assert found["wrong"] == {}
    assert found["with one killed"] == 1


def test_what_many_processes_write_into_one_run_is_there_and_nothing_half(tmp_path: Path) -> None:
    found = told_by("many_writers.py", "--writers", "12", "--records", "10", "--place", str(tmp_path))
    assert found["wrong"] == []
    assert found["all live"]["acknowledged"] == found["all live"]["there"] == 120
    assert 0 < found["half are killed"]["acknowledged"] <= found["half are killed"]["there"] < 120
    assert found["contested"]["written once"] == 10
