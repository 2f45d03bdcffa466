"""`pytest --xzoo-bench NAME`, as an author of a backbone runs it: in a process and a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NET = """
import xzoo


def build():
    from torch import nn

    body = [nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(4, 10))


net = xzoo.Backbone(
    name="net", build=build, head=xzoo.ReplaceLinear("5"), stages={"stem": ("0", "1")}, preprocess=xzoo.Preprocess(size=16)
)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a backbone and a test that tells what has been imported."""
    (tmp_path / "mynet.py").write_text(NET)
    (tmp_path / "test_own.py").write_text("import sys\ndef test_own():\n    print('IMPORTED', *sys.modules)\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # What tells pytest's own processes that they are one of several workers would switch the benchmarks off.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    variables = {**inherited, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, check=False)


def test_one_option_runs_the_suite_on_ones_own_backbone_and_nothing_else(folder: Path) -> None:
    done = run(folder, "--xzoo-bench", "./mynet.py:net", "--benchmark-json", "found.json")
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout
    found = json.loads((folder / "found.json").read_text())
    assert {one["name"].partition("[")[0] for one in found["benchmarks"]} == {
        "test_inference",
        "test_feature_pass",
        "test_training_step",
    }
    assert found["machine_info"]["xzoo"]["threads"] == 1
    assert found["machine_info"]["xzoo"]["versions"]["torch"]
    for one in found["benchmarks"]:
        assert_percentiles_are_borne_by_n(one)


def assert_percentiles_are_borne_by_n(benchmark: dict[str, Any]) -> None:
    facts, stats = benchmark["extra_info"], benchmark["stats"]
    assert facts["n"] == stats["rounds"] >= 5
    assert facts["p50_ms"] == pytest.approx(stats["median"] * 1e3)
    assert ("p90_ms" in facts, "p99_ms" in facts) == (facts["n"] >= 20, facts["n"] >= 100)


def test_a_backbone_that_is_not_there_is_an_error_that_names_it(folder: Path) -> None:
    done = run(folder, "--xzoo-bench", "./mynet.py:nett")
    assert done.returncode == 1
    assert "has no 'nett'" in done.stdout


def test_without_the_option_nothing_of_xzoo_but_the_plugin_is_imported(folder: Path) -> None:
    done = run(folder, "-s")
    assert done.returncode == 0, done.stdout
    [line] = [line for line in done.stdout.splitlines() if "IMPORTED" in line]
    imported = {name for name in line.split() if name.partition(".")[0] in {"xzoo", "torch", "numpy", "msgspec", "pluggy_hooks"}}
    assert imported == {"xzoo", "xzoo.conformance", "xzoo.conformance.plugin"}


def test_a_plain_run_collects_no_benchmark() -> None:
    root = Path(__file__).parents[2]
    listed = run(root, "--collect-only", "tests/benchmarks").stdout
    assert "test_decision.py" in listed
    assert "bench_" not in listed


def test_the_reported_backbones_are_timed_by_name() -> None:
    root = Path(__file__).parents[2]
    listed = run(root, "--collect-only", "tests/benchmarks/bench_inference.py", "tests/benchmarks/bench_training.py").stdout
    assert listed.count("test_inference[") == 20
    assert listed.count("test_training_step[") == 20
    assert listed.count("test_feature_pass[") == 10
    assert "test_training_step[densenet121-frozen]" in listed
