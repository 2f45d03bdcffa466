from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from xzoo.errors import StorageError, UsageError
from xzoo.runs.result import BackboneFacts, CellResult, EpochRecord, Latency, Measure, Metrics, Proof, Seconds
from xzoo.runs.store import RunFolder, find, scan, slug

DONE = CellResult(
    id="alexnet-frozen-s0-0123456789",
    contender="alexnet@random frozen",
    backbone="alexnet",
    weights="random",
    freeze="frozen",
    seed=0,
    status="done",
    learning_params=8194,
    epochs=1,
    best_epoch=0,
    seconds=Seconds(1.5, 2.5, 0.5, 0.25),
    curves=(EpochRecord(epoch=0, learning_rate=1e-3, train_loss=0.7, train_accuracy=0.5, val_loss=0.6, val_accuracy=0.75),),
    val=Metrics(
        accuracy=Measure(0.75, 0.4, 0.9, 8), recall={"ill": Measure(1.0, 0.5, 1.0, 4), "well": None}, reasons={"auroc": "no"}
    ),
    proof=Proof(),
    splits={"train": 4, "val": 8, "test": 0},
    environment={"threads": 2, "versions": {"torch": "2"}},
)
FAILED = dataclasses.replace(DONE, status="failed", error={"kind": "preflight", "text": "nothing learns", "remedy": "let it"})
PREDICTIONS = {
    "val_index": np.arange(8),
    "val_probabilities": np.random.default_rng(0).random((8, 2)),
    "test_index": np.arange(0),
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "abc123")


def planned(runs: Path, name: str, age_s: int) -> RunFolder:
    folder = RunFolder(runs / name)
    folder.write_plan({"hash": name})
    os.utime(folder.path / "plan.json", (1e9 - age_s, 1e9 - age_s))
    return folder


def test_a_cell_comes_back_as_it_was(run: RunFolder) -> None:
    assert run.cell(DONE.id) is None
    assert not run.has(DONE.id)
    run.write_cell(DONE, PREDICTIONS)
    assert run.has(DONE.id)
    assert run.cell(DONE.id) == DONE
    found = run.predictions(DONE.id)
    assert found.keys() == PREDICTIONS.keys()
    assert all(np.array_equal(array, found[name]) for name, array in PREDICTIONS.items())


def test_plans_and_facts_come_back_as_they_were(run: RunFolder) -> None:
    plan = {"schema": "xzoo.plan/1", "cells": [{"id": DONE.id, "recipe": {"lr": 0.1}}]}
    run.write_plan(plan)
    assert run.plan() == plan
    latency = Latency("eager", "fp32", 1, 5.0, 6.0, None, 200.0, 30)
    facts = BackboneFacts(
        params=5, params_with_auxiliary=7, gmacs=None, size=(64, 32), weights={"name": "V1"}, latency=(latency,)
    )
    for label in ("alexnet@random", "timm/vit@/a path/with:signs.pth", "timm/vit@/a path/with;signs.pth"):
        assert run.facts(label) is None
        run.write_facts(label, facts)
        assert run.facts(label) == facts


def test_a_failed_cell_is_told_and_tried_again(run: RunFolder) -> None:
    run.write_failure(FAILED)
    assert run.cell(DONE.id) == FAILED
    assert not run.has(DONE.id)
    run.write_cell(DONE, PREDICTIONS)
    assert run.cell(DONE.id) == DONE
    assert list((run.path / "failed").iterdir()) == []


@pytest.mark.parametrize("name", ["result.json", "predictions.npz", "manifest.json"])
def test_a_cell_that_lost_bytes_is_not_finished(name: str, run: RunFolder) -> None:
    run.write_cell(DONE, PREDICTIONS)
    [path] = run.path.rglob(name)
    path.write_bytes(path.read_bytes()[:-2])
    assert not run.has(DONE.id)
    run.write_cell(DONE, PREDICTIONS)
    assert run.has(DONE.id)


def test_learnt_tensors_are_kept_under_their_names_until_dropped(run: RunFolder) -> None:
    tensors = {"fc.weight": np.ones((2, 3), np.float32), "bn.num_batches_tracked": np.array(4)}
    run.write_cell(DONE, PREDICTIONS)
    run.write_learnt(DONE.id, tensors)
    found = load_file(run.learnt(DONE.id))
    assert found.keys() == tensors.keys()
    assert all(np.array_equal(array, found[name]) for name, array in tensors.items())
    for _ in range(2):
        run.drop_learnt(DONE.id)
    assert not run.learnt(DONE.id).exists()
    assert run.has(DONE.id)


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": 3}', b"\xff"])
def test_a_file_that_was_altered_is_named(content: bytes, run: RunFolder) -> None:
    run.write_cell(DONE, PREDICTIONS)
    [path] = run.path.rglob("result.json")
    path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        run.cell(DONE.id)
    assert str(path) in caught.value.text
    assert "run its command again" in caught.value.remedy


def test_names_of_files_are_plain_and_never_meet() -> None:
    assert slug("alexnet@random") == "alexnet@random"
    words = ["timm/vit", "timm vit", "timm-vit", "../up", "a" * 200, "a" * 201, "é", "è", ".."]
    found = [slug(word) for word in words]
    assert len(set(found)) == len(words)
    assert all(len(name) < 100 and "/" not in name and name not in {"", ".", ".."} for name in found)


@pytest.mark.parametrize("name", ["first", "rows", "none", "last"])
def test_one_field_of_an_outcome_is_what_it_is_in_the_whole(name: str, run: RunFolder) -> None:
    assert run.outcome_field(name, object) is None
    tricky = 'a\n "rows": [1]\n}\n'
    outcome = {
        "first": {"rows": [tricky], "last": 1},
        "rows": [{"rows": tricky, "first": [2, {"last": 3}]}],
        "none": [],
        "last": tricky,
    }
    run.write_outcome(outcome)
    assert run.outcome_field(name, object) == outcome[name]
    path = run.path / "compare.json"
    whole = path.read_bytes()
    for written_otherwise in (json.dumps(outcome), json.dumps(outcome, indent=4)):
        path.write_text(written_otherwise)
        assert run.outcome_field(name, object) == outcome[name]
    for cut in (whole[:-2], whole[: len(whole) // 2], b"", b"{}\n"):
        path.write_bytes(cut)
        with pytest.raises(StorageError, match=str(path)):
            run.outcome_field(name, object)


def test_runs_are_listed_from_the_newest_on(tmp_path: Path) -> None:
    assert list(scan(tmp_path / "absent")) == []
    for name, age_s in (("aaa", 5), ("bbb", 1), ("ccc", 9)):
        planned(tmp_path, name, age_s)
    (tmp_path / "no run").mkdir()
    assert [run.path.name for run in scan(tmp_path)] == ["bbb", "aaa", "ccc"]


def test_the_run_whose_command_was_given_last_is_last_whatever_the_clock_says(tmp_path: Path) -> None:
    for name, age_s in (("aaa", 5), ("bbb", -(10**9))):
        planned(tmp_path, name, age_s)
    RunFolder(tmp_path / "ccc").write_plan({"hash": "ccc"})
    assert [run.path.name for run in scan(tmp_path)] == ["ccc", "bbb", "aaa"]
    RunFolder(tmp_path / "aaa").write_plan({"hash": "aaa"})
    assert find("last", tmp_path).path.name == "aaa"


def test_a_run_is_found_by_path_hash_prefix_and_last(tmp_path: Path) -> None:
    for name, age_s in (("a1f", 5), ("a2f", 1), ("b0f", 9)):
        planned(tmp_path, name, age_s)
    for word, name in (("last", "a2f"), ("a1", "a1f"), ("b", "b0f"), (str(tmp_path / "a1f"), "a1f")):
        assert find(word, tmp_path).path == tmp_path / name


@pytest.mark.parametrize(
    ("word", "text"), [("a", "2 runs begin with 'a'"), ("c", "there is no run 'c' in"), ("last", "there is no run")]
)
def test_a_word_that_means_no_single_run_is_refused(word: str, text: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    if word != "last":
        for name in ("a1f", "a2f"):
            planned(runs, name, 0)
    with pytest.raises(UsageError) as caught:
        find(word, runs)
    assert caught.value.text.startswith(text)
    assert "xzoo runs" in caught.value.remedy
