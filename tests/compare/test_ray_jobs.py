"""How cells become jobs, what jobs ask of nodes, and what is refused before anything starts; no cluster is needed for it."""

from __future__ import annotations

import importlib.util
import pickle
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ray_nets import one

import xzoo
from xzoo.compare import plan as plans
from xzoo.compare.cluster import connection
from xzoo.compare.cluster.brief import ToldChoice
from xzoo.compare.cluster.jobs import Job, Queue, jobs_of
from xzoo.compare.cluster.needs import Needing, share_of
from xzoo.compare.cluster.nodes import Node
from xzoo.compare.launch import check_launcher
from xzoo.compare.plan import Plan
from xzoo.data.pack import Pack
from xzoo.data.split import SplitRule
from xzoo.errors import PluginError, UnavailableError, UsageError
from xzoo.train.device import Device
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.registry import Registry

FILE = Path(__file__).with_name("ray_nets.py")


@pytest.fixture
def plan_of(pack: Pack) -> Callable[..., Plan]:
    def make(*freeze: str, names: tuple[str, ...] = ("one", "two"), **recipe: object) -> Plan:
        choices = [Registry.installed().get(f"{FILE}:{name}") for name in names]
        varied = [plans.Variation(recipe=make_recipe({"epochs": 2, **recipe}), split=SplitRule())]
        return plans.make(choices, pack, freeze, [0, 1], varied, latency=False)

    return make


def jobs(plan: Plan, *, unknown: tuple[str, ...] = (), apart: bool = False) -> list[Job]:
    return list(jobs_of(plan.cells, {cell.id for cell in plan.cells}, unknown, apart=apart))


def told(job: Job) -> tuple[str, int, bool]:
    [part] = job.parts
    return f"{part.label} {part.cells[0].freeze}", len(part.cells), bool(part.measured)


def test_heads_that_learn_together_are_one_job_and_any_other_cell_is_its_own(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("frozen", "finetune")
    assert [told(job) for job in jobs(plan, unknown=("one@random",))] == [
        ("one@random frozen", 2, True),
        ("one@random finetune", 1, False),
        ("one@random finetune", 1, False),
        ("two@random frozen", 2, False),
        ("two@random finetune", 1, False),
        ("two@random finetune", 1, False),
    ]
    first, *rest = jobs(plan, unknown=("one@random", "two@random"), apart=True)
    assert [(part.label, part.cells) for part in first.parts] == [("one@random", ()), ("two@random", ())]
    assert rest == jobs(plan)


def test_a_backbone_whose_cells_are_done_is_measured_and_not_trained(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("finetune", names=("one",))
    [job] = jobs_of(plan.cells[:1], set(), {"one@random"}, apart=False)
    assert job.cells == ()
    assert job.parts[0].measured == plan.cells[:1]


def test_one_job_makes_the_rows_that_others_wait_for(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("last:1", names=("one",))
    queue = Queue(jobs(plan))
    first = queue.next()
    assert first is not None
    assert queue.next() is None
    queue.ended(first, well=False)
    second = queue.next()
    assert second is not None, "where the first was lost another makes them"
    queue.again([first])
    assert queue.next() is None
    queue.ended(second, well=True)
    assert queue.next() == first
    assert queue.next() is None
    assert {job.shares for job in jobs(plan_of("finetune"))} == {()}


def test_a_lost_job_keeps_what_has_no_result(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("frozen", names=("one",))
    [job] = jobs(plan, unknown=("one@random",))
    left = job.knowing("one@random").only({plan.cells[1].id})
    assert left.cells == plan.cells[1:]
    assert left.parts[0].measured == ()
    assert left.only(()).parts == ()
    assert [(one.cells, one.parts[0].together, one.shares) for one in job.apart()] == [
        (plan.cells[:1], False, ()),
        (plan.cells[1:], False, ()),
    ]


NODES = [Node("a", "a", cpus=4, gpus=0, memory=64e9), Node("b", "b", cpus=2, gpus=1, memory=16e9)]


def test_a_job_asks_for_its_threads_and_its_memory(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("finetune")
    needing = Needing(plan, Device("cpu", "fp32", 3), NODES)
    needs = needing.of("one@random", plan.cells[:1])
    assert (needs.cpus, needs.gpus) == (3, 0)
    assert 0.6e9 < needs.memory < 1.5e9
    assert Needing(plan, Device("cpu", "fp32", 16), NODES).of("one@random", plan.cells[:1]).cpus == 4, "no more than a node has"
    assert (needing.of_quiet().node, needing.of_quiet().cpus) == ("a", 4)
    assert needing.most == 1
    assert Needing(plan, Device("cpu", "fp32", 1), NODES).most == 6


def test_a_small_network_asks_for_a_part_of_a_gpu(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("finetune")
    needing = Needing(plan, Device("cuda", "fp32", 8), NODES, gpu_gb=80.0)
    needs = needing.of("one@random", plan.cells[:1])
    assert (needs.gpus, needs.cpus) == (1 / 8, 1)
    assert (needing.of_quiet().node, needing.of_quiet().gpus) == ("b", 1)
    assert needing.most == 8


@pytest.mark.parametrize(("memory_gb", "share"), [(0.7, 1 / 8), (9.8, 1 / 4), (20.0, 1 / 2), (20.2, 1.0), (90.0, 1.0)])
def test_shares_of_a_gpu_are_rounded_up(memory_gb: float, share: float) -> None:
    assert share_of(memory_gb, 40.4) == share


def test_a_network_travels_by_its_name_and_is_known_by_its_code() -> None:
    choice = Registry.installed().get(f"{FILE}:one")
    told_by = ToldChoice.of(choice, choice.reference)
    assert pickle.loads(pickle.dumps(told_by)).found().label == "one@random"
    with pytest.raises(PluginError, match="other code"):
        replace(told_by, identity="another").found()
    made = Registry.installed().get(one)
    assert ToldChoice.of(made, None).found().backbone.build().state_dict().keys() == one.build().state_dict().keys()


def test_a_network_that_no_other_process_can_import_is_refused() -> None:
    def build() -> object:
        return one.build()

    inside = replace(Registry.installed().get(one), backbone=replace(one, build=build))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cannot be sent to another process"):
        ToldChoice.of(inside, None)
    build.__module__, build.__qualname__ = "__main__", "build"
    import __main__

    __main__.build = build
    try:
        with pytest.raises(UsageError, match="defined in the script itself"):
            ToldChoice.of(inside, None)
    finally:
        del __main__.build


def test_a_cluster_that_is_not_there_is_told_before_anything_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{door.getsockname()[1]}"
    monkeypatch.setenv(connection.ADDRESS, address)
    with pytest.raises(UnavailableError, match=f"no Ray cluster to work on at RAY_ADDRESS={address}"):
        xzoo.compare(["convgap"], launcher="ray")


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "127.0.0.1", "127.0.0.1:port", ":6379"])
def test_an_address_that_no_driver_can_use_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(connection.ADDRESS, address)
    with pytest.raises(UsageError, match=r"is no address|Ray Client"):
        check_launcher("ray")


def test_without_ray_the_launcher_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError) as caught:
        check_launcher("ray")
    assert caught.value.exit_code == 3
    assert "pip install 'xzoo[ray]'" in caught.value.remedy


def test_a_launcher_must_be_known_and_goes_with_no_other_way_of_spreading(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="use local or ray"):
        xzoo.compare(["convgap"], launcher="slurm")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(UsageError, match="torchrun"):
        check_launcher("ray")


def test_labels_of_cells_are_those_of_choices(plan_of: Callable[..., Plan]) -> None:
    plan = plan_of("frozen")
    assert {cell.label for cell in plan.cells} == set(plan.choices)
