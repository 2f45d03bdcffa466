"""What a node does with what it is told, in this process: no cluster is needed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xzoo import durable
from xzoo.compare import plan as plans
from xzoo.compare.cluster import opened, worker
from xzoo.compare.cluster.brief import Brief
from xzoo.compare.cluster.jobs import jobs_of
from xzoo.compare.cluster.messages import PACK, Came, CannotLearnTogether, Lacks, Measured, OnAnotherGpu, Stopped
from xzoo.compare.finishing import Output
from xzoo.data import moving
from xzoo.data.pack import Pack
from xzoo.data.split import SplitRule
from xzoo.errors import PluginError, StorageError, UnavailableError
from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder
from xzoo.train.device import Device
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.registry import Registry

FILE = Path(__file__).with_name("ray_nets.py")


@dataclass(eq=False)
class Reference:
    """What stands for something in the object store."""

    value: Any

    def hex(self) -> str:
        return f"{id(self):x}"


@pytest.fixture
def brief_of(pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Brief]:
    monkeypatch.setattr(opened, "got", lambda reference: reference.value)
    monkeypatch.setattr(worker, "got", lambda reference: reference.value)
    for place in (opened, worker):
        monkeypatch.setattr(place, "name_here", lambda: "this node")
    monkeypatch.setenv("XZOO_CACHE", str(pack.folder.parents[1]))

    def make(name: str, *freeze: str) -> Brief:
        varied = [plans.Variation(recipe=make_recipe({"epochs": 2, "precision": "fp32"}), split=SplitRule())]
        plan = plans.make([Registry.installed().get(f"{FILE}:{name}")], pack, freeze, [0, 1], varied, latency=False)
        folder = RunFolder(tmp_path / "run")
        folder.write_plan(plan.described())
        return Brief.of(plan, folder, Device("cpu", "fp32", 1))

    return make


def done(brief: Brief, sent: dict[str, Any] | None = None) -> list[object]:
    """Return what comes of all jobs of a plan."""
    cells, label = brief.plan.cells, next(iter(brief.choices))
    told = (Reference(brief),)
    jobs = jobs_of(cells, {cell.id for cell in cells}, {label}, apart=False)
    return [item for job in jobs for item in worker.carry_out(told, job, sent or {})]


def results(items: list[object]) -> list[CellResult]:
    found = [item.item for item in items if isinstance(item, Came)]
    return [one.result if isinstance(one, Output) else one for one in found if isinstance(one, Output | CellResult)]


def test_a_node_measures_computes_and_says_which_it_is(brief_of: Callable[..., Brief]) -> None:
    items = done(brief_of("one", "frozen", "finetune"))
    assert [item.facts.node for item in items if isinstance(item, Measured)] == ["this node"]
    assert [(one.status, one.heads, one.environment["node"]) for one in results(items)] == [
        ("done", 2, "this node"),
        ("done", 2, "this node"),
        ("done", 1, "this node"),
        ("done", 1, "this node"),
    ]


def test_what_a_network_raises_is_told_as_the_result_that_it_becomes(brief_of: Callable[..., Brief]) -> None:
    errors = [one.error for one in results(done(brief_of("raises", "finetune")))]
    assert [error["text"] for error in errors if error] == [
        "raises does not take one image of 1x32x32: this network cannot see"
    ] * 2


def test_heads_that_are_not_linear_become_jobs_of_their_own(
    brief_of: Callable[..., Brief], monkeypatch: pytest.MonkeyPatch
) -> None:
    from xzoo.compare import items

    monkeypatch.setattr(items, "compute_together", lambda *words: None)
    assert isinstance(done(brief_of("one", "frozen"))[-1], CannotLearnTogether)


def test_a_node_that_does_not_see_the_cache_asks_for_the_pack(
    brief_of: Callable[..., Brief], pack: Pack, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XZOO_CACHE", str(pack.folder.parents[1]))
    brief = replace(brief_of("one", "finetune"), root=tmp_path / "nowhere")
    monkeypatch.setenv("XZOO_CACHE", str(own_cache))
    assert done(brief) == [Lacks(PACK)] * 2
    files = {name: Reference(np.asarray(content)) for name, content in moving.files_of(pack).items()}
    assert [one.status for one in results(done(brief, {PACK: files}))] == ["done", "done"]
    assert (own_cache / "packs" / pack.key / durable.MANIFEST).is_file()


def test_a_disk_that_takes_no_more_ends_the_command_and_names_the_node(
    brief_of: Callable[..., Brief], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: object) -> None:
        raise StorageError("the disk is full", "make room")

    monkeypatch.setattr(opened, "make_ready", full)
    monkeypatch.setattr(worker, "make_ready", full)
    last = done(brief_of("one", "finetune"))[-1]
    assert isinstance(last, Stopped)
    assert last.error.text == "node this node: the disk is full"


def test_checkpoints_go_into_no_run_folder_but_the_drivers(brief_of: Callable[..., Brief]) -> None:
    brief = brief_of("one", "finetune")
    assert brief.run_folder == RunFolder(brief.folder)
    (brief.folder / "plan.json").write_text("{}")
    assert brief.run_folder is None
    (brief.folder / "plan.json").unlink()
    assert brief.run_folder is None


def test_a_node_with_other_versions_or_other_code_is_refused_by_its_name(brief_of: Callable[..., Brief]) -> None:
    brief = brief_of("one", "finetune")
    assert worker.look((Reference(brief),)).trouble is None
    older = replace(brief, versions={**brief.versions, "torch": "1.0"})
    trouble = worker.look((Reference(older),)).trouble
    assert isinstance(trouble, UnavailableError)
    assert trouble.text.startswith("node this node has torch")
    [label] = brief.choices
    altered = replace(brief, choices={label: replace(brief.choices[label], identity="another")})
    trouble = worker.look((Reference(altered),)).trouble
    assert trouble is not None
    assert "node this node: one@random is declared by other code" in trouble.text
    assert not isinstance(trouble, PluginError)


def test_a_process_keeps_to_the_gpu_that_it_began_with(brief_of: Callable[..., Brief], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_gpus", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    brief = brief_of("one", "finetune")
    assert results(done(brief))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert results(done(brief))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert done(brief) == [OnAnotherGpu()] * 2
