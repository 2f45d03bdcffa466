"""Cells on two Ray nodes of this machine: the same results as here, a lost node that loses nothing, and errors within seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from ray_nodes import Nodes, nodes
from sameness import timeless

from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder, scan

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

DATA = ("--data", "phantom:train=24,val=8,test=8,size=32")
FILE = Path(__file__).with_name("ray_nets.py")
NETS = tuple(f"{FILE}:{name}" for name in ("one", "two", "three", "four"))
SHORT = ("--set", "precision=fp32", "--set", "batch_size=8", "--no-latency")
SECONDS = 120.0


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A folder whose path is short enough for the names of sockets."""
    with tempfile.TemporaryDirectory(prefix="xz-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def cluster(short: Path) -> Iterator[Nodes]:
    with nodes(2, short) as started:
        yield started


def words(*more: str, runs: Path) -> list[str]:
    return [sys.executable, "-m", "xzoo", "compare", *more, "--runs", str(runs), "--format", "json"]


def answer(*more: str, runs: Path, variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what the command answers with exit code 0 or 4."""
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run(words(*more, runs=runs), capture_output=True, text=True, env=environment, timeout=SECONDS, check=False)
    assert done.returncode in {0, 4}, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run_in(runs: Path) -> RunFolder:
    [found] = scan(runs)
    return found


def cells_of(folder: RunFolder) -> dict[str, CellResult]:
    """Return the results by cell, without times and the node that they came from."""
    names = [path.name for path in (folder.path / "cells").iterdir() if folder.is_finished(path.name)]
    found = {name: result for name in sorted(names) if (result := folder.cell(name))}
    return {
        name: timeless(one, environment={key: value for key, value in one.environment.items() if key != "node"})
        for name, one in found.items()
    }


def stored(folder: RunFolder, cell: str) -> tuple[bytes, bytes]:
    """Return the digests of a cell's predictions, and the tensors that it learnt."""
    manifest = json.loads((folder.path / "cells" / cell / "manifest.json").read_bytes())
    learnt = folder.learnt(cell)
    return manifest["predictions.npz"].encode(), learnt.read_bytes() if learnt.exists() else b""


@pytest.mark.slow
def test_two_nodes_give_what_one_process_gives(cluster: Nodes, tmp_path: Path) -> None:
    asked = (*NETS, "--freeze", "frozen,finetune", "--seeds", "3", "--epochs", "2", *DATA, *SHORT)
    on_ray = answer(*asked, "--launcher", "ray", runs=tmp_path / "ray", variables=cluster.environment)
    answer(*asked, runs=tmp_path / "local")
    there, here = run_in(tmp_path / "ray"), run_in(tmp_path / "local")
    assert there.path.name == here.path.name
    assert len(cells_of(here)) == 24
    assert cells_of(there) == cells_of(here)
    assert [name for name in cells_of(here) if stored(there, name) != stored(here, name)] == []
    assert len({cell["environment"]["node"] for cell in on_ray["cells"]}) == 2, "both nodes computed"
    assert not list((there.path / "cells").glob(".*"))
    assert not (there.path / "checkpoints").exists()
