"""Cells on two Ray nodes of this machine: the same results as here, a lost node that loses nothing, and errors within seconds."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from ray_nets import SLOW
from ray_nodes import Nodes, below, nodes
from sameness import timeless

from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder, scan

pytestmark = [pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed"), pytest.mark.usefixtures("heard")]

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


@pytest.mark.slow
def test_a_node_that_dies_loses_nothing(short: Path, tmp_path: Path) -> None:
    asked = (f"{FILE}:slow", "--freeze", "finetune", "--seeds", "3", "--epochs", "5", *DATA, *SHORT)
    variables = {SLOW: "0.1", "XZOO_CHECKPOINT_SECONDS": "0.1"}
    (short / "two").mkdir()
    with (
        nodes(2, short / "two", variables=variables) as started,
        command(*asked, runs=tmp_path / "ray", variables={**started.environment, **variables}) as process,
    ):
        wait_for(lambda: len({path.parts[-3] for path in (tmp_path / "ray").glob("*/checkpoints/*/*/manifest.json")}) == 2)
        started.nodes[1].kill()
        out, told = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, told
    assert told.count("its worker was lost, its node is gone; it is computed elsewhere") == 1
    cells = json.loads(out)["cells"]
    assert {cell["status"] for cell in cells} == {"done"}
    assert sorted(cell["resumed"] for cell in cells) == [0, 0, 1], "the lost cell went on from its checkpoint"
    answer(*asked, runs=tmp_path / "local")
    there, here = run_in(tmp_path / "ray"), run_in(tmp_path / "local")
    assert cells_of(there) == cells_of(here)
    assert [name for name in cells_of(here) if stored(there, name) != stored(here, name)] == []


@contextlib.contextmanager
def command(*more: str, runs: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run the command beside the block, and end it with that."""
    asked = words(*more, "--launcher", "ray", runs=runs)
    environment = {**os.environ, **variables}
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], word: str) -> list[str]:
    """Read the process's progress up to a line that holds a word."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if word in line:
            return told
    raise AssertionError("".join(told))


def cannot_hide() -> bool:
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0


@pytest.mark.slow
@pytest.mark.skipif(cannot_hide(), reason="only root on Linux can hide a folder from a process")
def test_nodes_without_the_cache_get_its_bytes_and_what_fails_fails_its_own_row(short: Path, tmp_path: Path) -> None:
    hidden, cache = tmp_path / "hidden", short / "cache"
    hidden.mkdir()
    saved(hidden / "own.safetensors")
    own = f"{FILE}:one@{hidden}/own.safetensors"
    asked = ("--freeze", "finetune", "--seeds", "2", "--epochs", "1", *DATA, *SHORT[:-1])
    (short / "own").mkdir()
    with nodes(1, short / "own", cpus=2, variables={"XZOO_CACHE": str(cache)}, hidden=hidden) as started:
        environment = {**started.environment, "XZOO_CACHE": str(hidden / "cache")}
        others = (f"{FILE}:raises", f"{FILE}:quits")
        found = answer(own, *others, *asked, "--launcher", "ray", runs=tmp_path / "ray", variables=environment)
    status = {cell["contender"].split("@")[0]: cell for cell in found["cells"]}
    assert status["one"]["status"] == "done"
    assert status["raises"]["error"]["text"] == "raises does not take one image of 1x32x32: this network cannot see"
    assert status["quits"]["error"]["kind"] == "lost"
    assert "3 times" in status["quits"]["error"]["text"]
    [measured] = [facts for label, facts in found["backbones"].items() if label.startswith("one@")]
    assert measured["latency"]
    assert measured["node"] in {cell["environment"].get("node") for cell in found["cells"]}
    assert [path.name for path in (cache / "packs").iterdir()] == [found["dataset"]["pack"]]
    answer(own, *asked, runs=tmp_path / "local")
    there, here = run_in(tmp_path / "ray"), run_in(tmp_path / "local")
    assert {name: cells_of(there)[name] for name in cells_of(here)} == cells_of(here)


def saved(path: Path) -> None:
    """Write weights that `one` takes."""
    import torch
    from ray_nets import one
    from safetensors.torch import save_file

    torch.manual_seed(7)
    save_file(one.build().state_dict(), path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_cluster_that_the_command_has_started_ends_with_it(short: Path, tmp_path: Path, number: signal.Signals) -> None:
    asked = (f"{FILE}:slow", "--freeze", "finetune", "--seeds", "2", "--epochs", "8", *DATA, *SHORT)
    variables = {SLOW: "0.1", "XZOO_CHECKPOINT_SECONDS": "0.1", "RAY_ADDRESS": "", "TMPDIR": str(short)}
    with command(*asked, runs=tmp_path / "runs", variables=variables) as process:
        until(process, "epoch 2")
        started = below(process.pid)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == (130 if number is signal.SIGINT else -number)
    wait_for(lambda: not any(map(lives, started)))
    if number is signal.SIGINT:
        assert not list(short.glob("xzoo-ray-*"))
        found = answer(*asked, runs=tmp_path / "runs")
        assert max(cell["resumed"] for cell in found["cells"]) == 1, "running cells saved where they stood"


def wait_for(there: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until_then = time.monotonic() + SECONDS
    while not there():
        assert time.monotonic() < until_then
        time.sleep(0.1)


def lives(number: int) -> bool:
    """Whether a process is there that computes or hands out; Ray's agents look for their node once a minute, and end then."""
    place = Path("/proc") / str(number)
    try:
        return (place / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX" and b"Agent" not in (
            place / "cmdline"
        ).read_bytes()
    except OSError:
        return False
