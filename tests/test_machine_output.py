"""What `xzoo compare --format json` prints: one object with at least the promised fields, of the promised types."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType
from typing import Any

import pytest

START = "import sys; from xzoo.cli import main; sys.exit(main())"
NETS = """
import xzoo


def build():
    from torch import nn

    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


def fail():
    raise RuntimeError("no such layer")


net = xzoo.Backbone(
    name="net", build=build, head=xzoo.ReplaceLinear("4"), stages={"conv": "0"}, licence="MIT",
    preprocess=xzoo.Preprocess(size=32),
)
bad = xzoo.Backbone(name="bad", build=fail, head=xzoo.ReplaceLinear("4"), stages={"conv": "0"})
print("a plugin prints when it is imported")
"""
DATA = "phantom:train=24,val=12,test=12,size=32"

Answer = tuple[int, str, str]
NUMBER = (int, float)

MEASURES = ("loss", "accuracy", "balanced_accuracy", "auroc", "sensitivity", "specificity", "f1", "mcc", "brier")
SCHEMA: dict[str, dict[str, Any]] = {
    "": {
        "schema": str, "run": str, "dataset": dict, "recipe": dict, "environment": dict, "backbones": dict, "cells": list,
        "contenders": list, "comparisons": list, "recommendation": (dict, NoneType), "findings": list,
    },
    "dataset": {"classes": list, "task": str, "positive": (str, NoneType), "splits": dict, "drawn": list},
    "backbone": {"params": int, "gmacs": (float, NoneType), "weights": dict, "latency": list},
    "weights": {"name": str, "licence": str, "sha256": str},
    "latency": {
        "engine": str, "precision": str, "batch": int, "p50_ms": float, "p90_ms": (float, NoneType), "p99_ms": (float, NoneType),
        "images_per_second": float, "n": int,
    },
    "cell": {
        "id": str, "contender": str, "backbone": str, "weights": str, "freeze": str, "seed": int, "status": str,
        "error": NoneType, "learning_params": int, "epochs": int, "seconds": dict, "peak_memory_mb": NUMBER, "curves": list,
        "train": dict, "val": dict, "test": dict, "proof": dict, "fit": dict,
    },
    "seconds": {"prepare": float, "train": float, "val": float, "test": float},
    "epoch": {"epoch": int, "train_loss": float, "train_accuracy": float, "val_loss": float, "val_accuracy": float},
    "proof": {"should_stay_moved": list, "should_learn_did_not": list},
    "contender": {
        "id": str, "backbone": str, "weights": str, "freeze": str, "recipe": dict, "seeds": list, "val": dict, "test": dict,
        "rank": int, "pareto": bool,
    },
    "comparison": {
        "a": str, "b": str, "split": str, "metric": str, "difference": dict, "test": str, "p": (float, NoneType),
        "p_holm": (float, NoneType), "verdict": str,
    },
    "finding": {"id": str, "severity": str, "text": str, "remedy": str},
    "recommendation": {"contender": str, "reason": str},
}  # fmt: skip


@pytest.fixture(scope="module")
def compare(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Answer]:
    """Run `xzoo compare` in a process of its own on a few phantoms."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "nets.py").write_text(NETS)

    def run(names: str, *more: str) -> Answer:
        words = [f"{folder}/nets.py:{name}" for name in names.split()]
        words += ["--data", DATA, "--runs", str(folder / "runs"), "--epochs", "2", "--set", "batch_size=8", *more]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
        done = subprocess.run(
            [sys.executable, "-c", START, "compare", *words],
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def answer(compare: Callable[..., Answer]) -> Answer:
    return compare("net", "--freeze", "frozen,finetune", "--seeds", "2", "--format", "json")


@pytest.fixture(scope="module")
def value(answer: Answer) -> dict[str, Any]:
    found = json.loads(answer[1])
    assert isinstance(found, dict)
    return found


def check(found: dict[str, Any], kind: str) -> None:
    """Assert that an object has at least the fields of its kind, of their types."""
    for name, types in SCHEMA[kind].items():
        assert name in found, f"{kind}: {name}"
        assert isinstance(found[name], types), f"{kind}: {name} is {found[name]!r}"


def test_stdout_holds_one_object_and_progress_goes_to_stderr(answer: Answer) -> None:
    code, out, err = answer
    assert code == 0
    assert out.count("\n") == 1
    assert out.startswith('{"schema":"xzoo.compare/1",')
    lines = err.splitlines()
    assert "train 24, val 12, test 12 (yours)" in lines
    assert "a plugin prints when it is imported" in lines
    assert sum(line.startswith("  epoch 2: ") for line in lines) == 4
    assert sum(": validation " in line for line in lines) == 4


def test_every_field_that_is_promised_is_there(value: dict[str, Any]) -> None:
    check(value, "")
    check(value["dataset"], "dataset")
    assert list(value["backbones"]) == ["net@random"]
    for backbone in value["backbones"].values():
        check(backbone, "backbone")
        check(backbone["weights"], "weights")
        assert backbone["latency"]
        for latency in backbone["latency"]:
            check(latency, "latency")
    assert len(value["cells"]) == 4
    for cell in value["cells"]:
        check(cell, "cell")
        check(cell["seconds"], "seconds")
        check(cell["proof"], "proof")
        assert len(cell["curves"]) == cell["epochs"] == 2
        for epoch in cell["curves"]:
            check(epoch, "epoch")
    for kind in ("contender", "comparison", "finding"):
        for one in value[f"{kind}s"]:
            check(one, kind)
    if value["recommendation"] is not None:
        check(value["recommendation"], "recommendation")


def test_what_is_told_is_consistent(value: dict[str, Any]) -> None:
    assert Path(value["run"], "compare.json").exists()
    assert value["dataset"]["classes"] == ["normal", "pneumonia"]
    assert (value["dataset"]["task"], value["dataset"]["positive"]) == ("single-label", "pneumonia")
    assert value["dataset"]["splits"] == {"train": 24, "val": 12, "test": 12}
    assert value["recipe"]["epochs"] == 2
    assert value["backbones"]["net@random"]["params"] == 4 * 27 + 4 + 50
    assert value["backbones"]["net@random"]["weights"]["licence"] == "MIT"
    assert {cell["learning_params"] for cell in value["cells"] if cell["freeze"] == "frozen"} == {10}
    assert {cell["learning_params"] for cell in value["cells"] if cell["freeze"] == "finetune"} == {4 * 27 + 4 + 10}
    assert {cell["contender"] for cell in value["cells"]} == {row["id"] for row in value["contenders"]}
    assert all(row["seeds"] == [0, 1] for row in value["contenders"])
    assert {one["split"] for one in value["comparisons"]} == {"val", "test"}
    verdicts = {"ahead", "equivalent", "cannot tell", "not distinguishable from guessing"}
    assert {one["verdict"] for one in value["comparisons"]} <= verdicts
    assert all("difference" in one["rests_on"] and one["margin"] == 0.02 for one in value["comparisons"])
    assert all(row["rank"] <= row["worst_rank"] <= len(value["contenders"]) for row in value["contenders"])
    assert all(cell["proof"] == {"should_stay_moved": [], "should_learn_did_not": []} for cell in value["cells"])


def measures(value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Yield every split's figures of every cell and contender, with the reasons beside them."""
    for row in (*value["cells"], *value["contenders"]):
        for split in ("train", "val", "test"):
            yield f"{row['id']} {split}", row[split], row[split]["reasons"]


def test_every_measure_has_value_interval_and_n_or_a_reason(value: dict[str, Any]) -> None:
    for where, found, reasons in measures(value):
        assert set(found["recall"]) == set(value["dataset"]["classes"])
        figures = {name: found[name] for name in MEASURES}
        figures |= {f"recall {name}": measure for name, measure in found["recall"].items()}
        for name, measure in figures.items():
            if measure is None:
                assert reasons[name], f"{where} {name}"
                continue
            assert measure.keys() >= {"value", "low", "high", "n"}, f"{where} {name}"
            assert isinstance(measure["value"], NUMBER)
            assert math.isfinite(measure["value"])
            assert isinstance(measure["n"], int)
            assert measure["n"] > 0
            assert all(end is None or isinstance(end, NUMBER) for end in (measure["low"], measure["high"]))
    for one in value["comparisons"]:
        assert one["difference"].keys() >= {"value", "low", "high", "n"}


def test_figures_that_need_a_positive_class_have_a_reason_without_one(compare: Callable[..., Answer], tmp_path: Path) -> None:
    from PIL import Image

    for place in range(40):
        file = tmp_path / ("left", "right")[place % 2] / f"{place}.png"
        file.parent.mkdir(exist_ok=True)
        Image.new("L", (32, 32), color=5 * place).save(file)
    code, out, _ = compare("net", "--freeze", "frozen", "--seeds", "1", "--data", str(tmp_path), "--format", "json")
    assert code == 0
    value = json.loads(out)
    assert value["dataset"]["positive"] is None
    assert value["dataset"]["drawn"] == ["train", "val", "test"]
    for _, found, reasons in measures(value):
        assert found["sensitivity"] is None
        assert "--positive" in reasons["sensitivity"]
        assert all(measure is not None for measure in found["recall"].values())


def test_a_failing_backbone_among_two_ends_with_4_and_the_object_says_so(compare: Callable[..., Answer]) -> None:
    code, out, err = compare("bad net", "--freeze", "frozen", "--seeds", "1", "--format", "json")
    assert code == 4
    assert out.count("\n") == 1
    assert "Traceback" not in err
    value = json.loads(out)
    assert {cell["backbone"]: cell["status"] for cell in value["cells"]} == {"bad": "failed", "net": "done"}
    [failed] = [cell for cell in value["cells"] if cell["status"] == "failed"]
    assert failed["error"].keys() == {"kind", "text", "remedy"}
    assert "no such layer" in failed["error"]["text"]
    assert [row["backbone"] for row in value["contenders"]] == ["net"]
    assert [one["severity"] for one in value["findings"] if one["id"] == "failed"] == ["error"]


def test_a_failure_is_one_object_too(compare: Callable[..., Answer]) -> None:
    code, out, _ = compare("net", "--freeze", "thawed", "--format", "json")
    assert code == 2
    found = json.loads(out)
    assert found.keys() == {"schema", "kind", "text", "remedy"}
    assert (found["schema"], found["kind"]) == ("xzoo.error/1", "usage")
