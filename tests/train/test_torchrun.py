"""`torchrun -m xzoo compare`: one writer, a clean end when a rank dies, and the same bytes when it is started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launching import ended, rank_of, torchrun, until

NETWORK = """
import xzoo

def build():
    from torch import nn
    stem = [nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU()]
    return nn.Sequential(*stem, nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))

net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("6"), stages={"stem": ("0", "1")},
                    preprocess=xzoo.Preprocess(size=16, mean=(0.5,) * 3, std=(0.25,) * 3))
"""
WORDS = [
    "-m",
    "xzoo",
    "compare",
    "./net.py:net",
    "--data",
    "phantom:size=32,train=50,val=18,test=16",
    "--freeze",
    "finetune,frozen",
]
WORDS += ["--seeds", "1", "--epochs", "4", "--set", "batch_size=8", "--no-latency", "--format", "json"]
WITHIN = 30.0
"""Seconds in which all ranks end when one dies."""

if sys.platform != "linux":
    pytest.skip("ranks are started on Linux", allow_module_level=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a network of one's own."""
    (tmp_path / "net.py").write_text(NETWORK)
    return tmp_path


def figures(runs: Path) -> dict[str, bytes]:
    """Return predictions and learnt tensors of every cell."""
    return {
        path.relative_to(runs).as_posix(): path.read_bytes()
        for path in runs.rglob("*")
        if path.suffix in {".npz", ".safetensors"}
    }


def begun(place: Path, runs: str) -> subprocess.Popen[str]:
    return torchrun([*WORDS, "--runs", runs], place, XZOO_CHECKPOINT_SECONDS="0")


def test_a_rank_that_is_killed_ends_the_run_and_the_next_one_ends_as_if_nothing_had_been(place: Path) -> None:
    killed = begun(place, "killed")
    until(lambda: bool([*(place / "killed").glob("*/checkpoints/*/2/manifest.json")]), killed)
    os.kill(rank_of(killed, 1), signal.SIGKILL)
    code, out, told = ended(killed, WITHIN)
    assert code != 0
    [answer] = [json.loads(line) for line in out.splitlines()]
    assert (answer["schema"], answer["kind"]) == ("xzoo.error/1", "unavailable")
    assert answer["text"].startswith("rank 1 of 2 (process ")
    assert "the same command goes on from the last checkpoint" in answer["remedy"]
    assert told.count("[2/2]") + told.count("[1/2]") <= 4, "one rank alone tells how it goes"
    left = [path for path in (place / "killed").rglob("*") if path.name.endswith((".tmp", ".old", ".claim"))]
    assert left == []

    code, out, told = ended(begun(place, "killed"))
    assert code == 0, told
    assert told.count("goes on from a checkpoint") == 1
    outcome = json.loads(out)
    ranks = {cell["freeze"]: cell["environment"]["ranks"] for cell in outcome["cells"]}
    assert ranks == {"finetune": 2, "frozen": 1}, "heads on features are one rank's work"
    levels = {cell["freeze"]: cell["determinism"]["level"] for cell in outcome["cells"]}
    assert levels == {"finetune": 3, "frozen": 4}

    code, _, told = ended(begun(place, "whole"))
    assert code == 0, told
    assert figures(place / "killed") == figures(place / "whole")
    assert len(figures(place / "whole")) == 4
