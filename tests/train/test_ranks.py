"""Ranks train as one process does, up to rounding."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

import on_ranks
from launching import by_hand, ended, torchrun

SCRIPT = str(Path(on_ranks.__file__))

if sys.platform != "linux":
    pytest.skip("ranks are started on Linux", allow_module_level=True)


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What became of every case on two ranks."""
    folder = tmp_path_factory.mktemp("two")
    code, _, told = ended(torchrun([SCRIPT, str(folder)], folder))
    assert code == 0, told
    return folder


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - it is no mapping


def assert_same(folder: Path, name: str, num_steps: int = 20) -> None:
    tensors, records = on_ranks.carried_out(on_ranks.CASES[name], num_steps=num_steps)
    found, losses = read(folder / f"{name}.safetensors")
    assert found.keys() == tensors.keys()
    for key, whole in tensors.items():
        off = (found[key].double() - whole.double()).norm() / whole.double().norm()
        assert float(off) <= 1e-5, f"{key} is off by {float(off):.1e} of its norm"
    for record in records:
        loss, accuracy = map(float, losses[str(record.epoch)].split())
        assert loss == pytest.approx(record.train_loss, rel=1e-5)
        assert accuracy == record.train_accuracy


@pytest.mark.parametrize("name", on_ranks.CASES)
def test_weights_after_20_steps_are_those_of_one_process(of_two: Path, name: str) -> None:
    assert_same(of_two, name)


def test_a_rank_whose_memory_runs_out_makes_its_part_in_parts_and_says_so(of_two: Path) -> None:
    _, told = read(of_two / "memory of one rank.safetensors")
    assert told["memory"] == "memory ran out in training on rank 1: from step 1 of epoch 1 on 2 images at once"
    _, other = read(of_two / "phases.safetensors")
    assert other["memory"] == ""


def test_dropout_draws_for_each_rank_by_itself_and_again_the_same(of_two: Path) -> None:
    (first, losses), (again, same_losses) = (read(of_two / f"{name}.safetensors") for name in on_ranks.DROPPING)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert losses == same_losses
    alone, _ = on_ranks.carried_out(on_ranks.DROPPING["dropping"])
    assert not torch.equal(first["fc.weight"], alone["fc.weight"])
    torch.manual_seed(0)
    undropped, _ = on_ranks.carried_out(on_ranks.Case("branched"))
    assert not torch.equal(first["fc.weight"], undropped["fc.weight"]), "dropout was on"


def test_three_ranks_that_a_scheduler_starts_share_two_images(tmp_path: Path) -> None:
    name = "uneven last batch"
    ranks: Any = [ended(one) for one in by_hand([SCRIPT, str(tmp_path), name], tmp_path, 3)]
    assert [code for code, _, _ in ranks] == [0, 0, 0], ranks
    assert_same(tmp_path, name)
