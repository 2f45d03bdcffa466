"""A few kills; `python tests/faults/kills.py` makes as many as one likes, with Ctrl-C and SIGTERM too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kills.py")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked from one that has imported torch")
def test_a_comparison_that_is_ended_again_and_again_becomes_what_it_would_have_become(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "--kills", "3"]
    path = os.pathsep.join(place for place in sys.path if place)
    found = subprocess.run(
        words, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=False, timeout=300
    )
    assert found.returncode == 0, (found.stdout + found.stderr)[-3000:]
    told = json.loads(found.stdout)
    assert (told["kills"], told["wrong"]) == (3, [])
    assert told["steps of one"] == 36
