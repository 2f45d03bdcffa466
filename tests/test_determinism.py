"""The levels of docs/determinism.md, each by its own test; L2 is tests/compare/test_resuming.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import xzoo
from xzoo.compare.api import compare
from xzoo.compare.determinism import LEVELS, level_of, lowest
from xzoo.compare.outcome import Outcome
from xzoo.report.tables import outcome_text
from xzoo.runs.conditions import Determinism, Shortage
from xzoo.runs.result import CellResult
from xzoo.train.deterministic import deterministic, refusal
from xzoo.train.device import Device

DATA = "phantom:train=24,val=8,test=8,size=32"
RECIPE = {"size": 32, "epochs": 2, "batch_size": 8, "precision": "fp32", "augment": "chest-xray"}
CPU, CUDA = Device("cpu", "fp32", 1), Device("cuda", "fp32", 1)
Bytes = dict[str, bytes]


def compared(folder: Path, names: Sequence[Any], seeds: Any = 1, **asked: Any) -> tuple[Outcome, Bytes]:
    """Return a comparison in a cache of its own, and the bytes of every array and learnt tensor, by the cell's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XZOO_CACHE", str(folder / "cache"))
        words = {"freeze": ["frozen", "finetune"], "recipe": RECIPE, "latency": False, "keep": "all", **asked}
        outcome = compare(list(names), DATA, seeds=seeds, runs=folder / "runs", **words)
    found: Bytes = {}
    for file in sorted(folder.glob("runs/*/cells/*/predictions.npz")):
        with np.load(file, allow_pickle=False) as arrays:
            found |= {f"{file.parent.name} {name}": arrays[name].tobytes() for name in arrays.files}
    return outcome, found | {file.name: file.read_bytes() for file in folder.glob("runs/*/learnt/*")}


@pytest.fixture(scope="module")
def reference(tiny: xzoo.Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Bytes]:
    """Two networks, one of them with batch norm and dropout, frozen and fine-tuned on augmented images."""
    return compared(tmp_path_factory.mktemp("reference"), ["convgap@random", tiny])


def test_l0_a_result_records_what_its_figures_rest_on(reference: tuple[Outcome, Bytes]) -> None:
    outcome, _ = reference
    assert len(outcome.cells) == 4
    for cell in outcome.cells:
        recorded = cell.environment
        assert {"device", "kind", "precision", "threads", "deterministic", "platform"} <= recorded.keys()
        assert {"python", "torch", "numpy", "xzoo"} <= recorded["versions"].keys()
        assert (cell.seed, cell.precision) == (0, "fp32")
        assert cell.engine if cell.freeze == "frozen" else not cell.engine
        assert outcome.backbones[f"{cell.backbone}@{cell.weights}"].weights["body"]
    assert outcome.dataset["pack"]
    assert outcome.dataset["splits_and_groups"]
    assert outcome.recipe["batch_size"] == 8


def test_l1_the_same_command_gives_the_same_bytes(reference: tuple[Outcome, Bytes], tiny: xzoo.Backbone, tmp_path: Path) -> None:
    assert compared(tmp_path, ["convgap@random", tiny])[1] == reference[1]


def test_l3_order_and_company_change_nothing(reference: tuple[Outcome, Bytes], tiny: xzoo.Backbone, tmp_path: Path) -> None:
    orders: list[tuple[list[Any], Any, dict[str, Any]]] = [
        ([tiny, "convgap@random"], 2, {"freeze": ["finetune", "frozen"]}),
        (["convgap@random"], [5, 0, 3], {"freeze": ["frozen", "last:1"]}),
        ([tiny], 1, {"freeze": ["finetune"]}),
    ]
    num_shared = []
    for number, (names, seeds, asked) in enumerate(orders):
        found = compared(tmp_path / str(number), names, seeds, **asked)[1]
        shared = found.keys() & reference[1].keys()
        assert {name for name in shared if found[name] != reference[1][name]} == set()
        num_shared.append(len(shared))
    assert num_shared[0] == len(reference[1])
    assert min(num_shared) >= 10


@pytest.mark.parametrize("cores", [1, 7])
def test_l4_workers_and_watching_change_nothing(
    cores: int, reference: tuple[Outcome, Bytes], tiny: xzoo.Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xzoo.cli.progress import follow
    from xzoo.compare import api
    from xzoo.train.device import choose

    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr("os.process_cpu_count", lambda: cores, raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "cache"))
    words: dict[str, Any] = {"freeze": ["frozen", "finetune"], "recipe": RECIPE, "latency": False, "keep": "all"}
    words["watch_test"] = cores == 7
    plan = api.make_plan(["convgap@random", tiny], DATA, seeds=1, **words)
    follow(api.carry_out(plan, tmp_path / "runs", choose("cpu")), plan, "first", str(tmp_path), "cpu")
    found: Bytes = {}
    for file in sorted(tmp_path.glob("runs/*/cells/*/predictions.npz")):
        with np.load(file, allow_pickle=False) as arrays:
            found |= {f"{file.parent.name} {name}": arrays[name].tobytes() for name in arrays.files}
    assert len(found) == 4 * 9
    assert {name for name, each in found.items() if reference[1][name] != each} == set()


def test_the_level_is_printed_and_stands_in_the_machine_output(reference: tuple[Outcome, Bytes]) -> None:
    outcome, _ = reference
    assert {cell.determinism for cell in outcome.cells} == {Determinism(4)}
    assert f"Determinism L4: {LEVELS[1]}, " in " ".join(outcome_text(outcome).split())


def test_deterministic_is_accepted_on_a_cpu_and_changes_no_byte(
    reference: tuple[Outcome, Bytes], tiny: xzoo.Backbone, tmp_path: Path
) -> None:
    outcome, found = compared(tmp_path, ["convgap@random", tiny], deterministic=True)
    assert found == reference[1]
    assert all(cell.environment["deterministic"] for cell in outcome.cells)
    assert not torch.are_deterministic_algorithms_enabled()


def test_torch_is_held_to_algorithms_that_repeat_while_it_computes() -> None:
    with deterministic(Device("cpu", "fp32", 1, deterministic=True)):
        assert torch.are_deterministic_algorithms_enabled()
    with deterministic(CPU):
        assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_that_cannot_repeat_is_named() -> None:
    said = "adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but you set 'torch.use_..."
    found = refusal(RuntimeError(said), "net")
    assert found is not None
    assert found.text == "net: adaptive_avg_pool2d_backward_cuda has no deterministic way on this device"
    assert refusal(RuntimeError("shapes"), "net") is None


PARTS = Shortage(what="training", at_once=4, of=8)


@pytest.mark.parametrize(
    ("facts", "level", "reason"),
    [
        ({}, 4, ""),
        ({"memory": [PARTS]}, 0, "memory ran out"),
        ({"memory": [Shortage(what="training", at_once=8, of=8, way="host")]}, 4, ""),
        ({"notes": ["memory ran out in the feature pass: 8 images at once"]}, 0, "memory ran out"),
        ({"changes": ["threads 1, then 2"]}, 0, "threads 1, then 2"),
        ({"draws_on_host": True}, 0, "numpy's own random numbers"),
        ({"device": CUDA}, 0, "--deterministic was not asked for"),
        ({"device": Device("cuda", "fp32", 1, deterministic=True)}, 4, ""),
        ({"device": Device("cuda", "fp32", 1, deterministic=True), "heads": 3}, 2, "3 heads learnt at once"),
    ],
)
def test_a_level_follows_from_what_is_recorded(facts: dict[str, Any], level: int, reason: str) -> None:
    asked = {"device": CPU, "memory": (), "notes": (), "heads": 1, "changes": (), "draws_on_host": False, **facts}
    found = level_of(asked.pop("device"), asked.pop("memory"), asked.pop("notes"), **asked)
    assert found.level == level
    assert reason in " ".join(found.reasons)


def test_a_network_that_draws_from_pythons_own_numbers_is_noticed(tmp_path: Path) -> None:
    def build() -> Any:
        import random

        from torch import nn

        class Noisy(nn.Sequential):
            def forward(self, images_BCHW: torch.Tensor) -> torch.Tensor:
                return torch.as_tensor(super().forward(images_BCHW + random.random()))  # type: ignore[no-untyped-call]

        return Noisy(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))

    head, size = xzoo.ReplaceLinear("3"), xzoo.Preprocess(size=32)
    net = xzoo.Backbone(name="noisy", build=build, head=head, stages={"conv": "0"}, preprocess=size)
    outcome, _ = compared(tmp_path, [net], freeze=["finetune"])
    [cell] = outcome.cells
    assert cell.determinism is not None
    assert cell.determinism.level == 0


def test_a_run_is_as_sure_as_its_least_cell() -> None:
    def cell(level: Determinism | None, status: str = "done") -> CellResult:
        return CellResult(id="", contender="", backbone="", weights="", freeze="", seed=0, status=status, determinism=level)

    assert lowest([cell(Determinism(4)), cell(Determinism(0, ("why",))), cell(None, "failed")]) == Determinism(0, ("why",))
    assert lowest([cell(Determinism(4)), cell(None)]) is None
    assert lowest([]) is None
