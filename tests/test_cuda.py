"""The one code path, on CUDA. Skipped where there is no device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import xzoo
from xzoo.compare.api import compare
from xzoo.compare.outcome import Outcome
from xzoo.data import feed, resident
from xzoo.data.batches import Batches
from xzoo.data.pack import View
from xzoo.data.source import arrays
from xzoo.model.classifier import build as classifier_of
from xzoo.runs.result import EpochRecord
from xzoo.train import loop
from xzoo.train.capture import CudaRecorder, Run
from xzoo.train.checkpoint import Checkpoints
from xzoo.train.checkpoint_state import Saving
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.objective import objective
from xzoo.train.proof import snapshot
from xzoo.train.recipe import make
from xzoo.zoo.strategies import parse

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.slow,
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
BACKBONES = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16")
STRATEGIES = ("frozen", "finetune", "last:1", "gradual:1", "lp-ft", "layerwise:0.75")


@pytest.mark.parametrize("name", BACKBONES)
def test_every_strategy_keeps_its_promise_on_cuda(name: str, tmp_path: Path) -> None:
    images_NHW = np.random.default_rng(0).integers(0, 256, (48, 224, 224), dtype=np.uint8)
    splits = ["train"] * 16 + ["val"] * 16 + ["test"] * 16
    data = arrays(images_NHW, np.arange(48) % 2, splits=splits)
    recipe = {"epochs": 2, "batch_size": 8}
    found = compare([f"{name}@random"], data, freeze=STRATEGIES, seeds=1, recipe=recipe, device="cuda", runs=tmp_path)
    assert [cell.error for cell in found.cells] == [None] * len(STRATEGIES)
    assert all(cell.proof is not None and cell.proof.holds for cell in found.cells)
    assert {cell.environment["kind"] for cell in found.cells} == {"cuda"}
    assert all(cell.peak_memory_mb for cell in found.cells)


def test_the_demo_runs_on_cuda_and_tells_the_classes_apart(tmp_path: Path) -> None:
    found = compare(["alexnet@random", "googlenet@random"], device="cuda", runs=tmp_path)
    assert not found.failed
    for row in found.contenders:
        assert row.test["accuracy"]["value"] >= 0.85 if row.freeze == "frozen" else row.test["accuracy"]["low"] > 0.5


class Eager(CudaRecorder):
    """Finds every step unfit to be recorded."""

    def watched(self, run: Run) -> str:
        super().watched(run)
        return "a test"


class Strict(Batches):
    """Lets torch raise where anything waits for the device while an epoch behind the first is under way."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        torch.cuda.set_sync_debug_mode("error" if epoch else "default")
        try:
            yield from super().epoch(epoch, start)
        finally:
            torch.cuda.set_sync_debug_mode("default")


Trained = tuple[list[EpochRecord], dict[str, Tensor]]


@pytest.fixture
def trained(tiny: xzoo.Backbone, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trained]:
    """Train the tiny network on 27 images, in batches of 8, 8, 8 and 3, and return its records and tensors."""

    def run(
        recorder: type[CudaRecorder] = CudaRecorder,
        kind: type[Batches] = Batches,
        freeze: str = "finetune",
        folder: Path | None = None,
        **recipe: Any,
    ) -> Trained:
        monkeypatch.setattr(loop, "recorder_of", lambda device: recorder(device.kind))
        values, device = make({"epochs": 3, "batch_size": 8, "lr": 0.01, **recipe}), Device("cuda", "fp32", 1)
        pixels, labels = np.random.default_rng(0).integers(0, 256, (27, 1, 16, 16), np.uint8), np.arange(27) % 2
        view = View("noise", pixels, 3, (16, 16))
        batches = kind(view, labels, np.arange(27), tiny.preprocess, 8, augment=values.augment, device="cuda")
        torch.manual_seed(0)
        classifier = classifier_of(tiny.build(), tiny, 2, seed=0, size=(16, 16))
        classifier.network.to(device="cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]
        compute = objective(values, labels, 2, "cuda")
        kept = Checkpoints(folder, {}, seconds=0) if folder else None
        start = snapshot(classifier.network)
        saving = Saving(kept, start, found=kept.newest() if kept else None)
        records = loop.train(WholeNetwork(classifier), batches, compute, parse(freeze), values, device, dict, saving)
        return [dataclasses.replace(one, seconds=0.0) for one in records], snapshot(classifier.network)

    return run


class EndedError(BaseException):
    """Ends a training as SIGKILL does."""


class Ends(Batches):
    """Ends the training in its second epoch, behind two steps."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for number, batch in enumerate(super().epoch(epoch, start), start):
            if (epoch, number) == (1, 2):
                raise EndedError
            yield batch


@pytest.mark.parametrize("freeze", ["finetune", "gradual:1"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("recorder", [Eager, CudaRecorder])
def test_a_training_that_is_stopped_goes_on_from_its_checkpoint(
    freeze: str, optimizer: str, recorder: type[CudaRecorder], trained: Callable[..., Trained], tmp_path: Path
) -> None:
    whole = trained(recorder, freeze=freeze, optimizer=optimizer, augment="natural")
    with pytest.raises(EndedError):
        trained(recorder, Ends, freeze=freeze, optimizer=optimizer, augment="natural", folder=tmp_path)
    records, tensors = trained(recorder, freeze=freeze, optimizer=optimizer, augment="natural", folder=tmp_path)
    assert [record.epoch for record in records] == [1, 2]
    assert [one.train_loss for one in records] == pytest.approx([one.train_loss for one in whole[0][1:]], rel=1e-4)
    for name, tensor in whole[1].items():
        # The first step behind a stop is made eagerly also where it was replayed, and kernels may then differ in their last bits.
        is_same = torch.equal if recorder is Eager else lambda a, b: torch.allclose(a.float(), b.float(), rtol=1e-3, atol=1e-4)
        assert is_same(tensor, tensors[name]), name


@pytest.mark.parametrize("freeze", ["finetune", "gradual:1", "layerwise:0.5"])
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_replayed_steps_learn_what_eager_ones_learn(freeze: str, optimizer: str, trained: Callable[..., Trained]) -> None:
    eager, replayed = (trained(recorder, freeze=freeze, optimizer=optimizer) for recorder in (Eager, CudaRecorder))
    assert {record.note for record in replayed[0]} == {""}
    assert all(record.note for record in eager[0])
    assert [one.train_loss for one in replayed[0]] == pytest.approx([one.train_loss for one in eager[0]], rel=1e-4)
    for name, tensor in eager[1].items():
        assert torch.allclose(tensor.float(), replayed[1][name].float(), rtol=1e-3, atol=1e-4), name


def test_the_same_training_gives_the_same_tensors(trained: Callable[..., Trained]) -> None:
    (first, one), (second, other) = (trained(augment="natural") for _ in range(2))
    assert first == second
    assert [name for name, tensor in one.items() if not torch.equal(tensor, other[name])] == []


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("augment", ["none", "natural"])
def test_nothing_in_an_epoch_waits_for_the_device(augment: str, trained: Callable[..., Trained]) -> None:
    records, _ = trained(kind=Strict, augment=augment)
    assert [record.note for record in records] == [""] * 3


class Reading(nn.Module):
    """Reads a value of its input on the host, always or only while it is recorded."""

    def __init__(self, always: bool) -> None:
        super().__init__()
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        if self.always or torch.cuda.is_current_stream_capturing():
            assert float(x.detach().sum()) < float("inf")
        return x


def compared(backbones: list[Any], runs: Path, **recipe: Any) -> Outcome:
    images_NHW = np.random.default_rng(0).integers(0, 256, (48, 64, 64), dtype=np.uint8)
    data = arrays(images_NHW, np.arange(48) % 2, splits=["train"] * 32 + ["val"] * 8 + ["test"] * 8)
    recipe = {"epochs": 2, "batch_size": 8, **recipe}
    return compare(backbones, data, freeze=["finetune"], seeds=1, recipe=recipe, device="cuda", runs=runs, latency=False)


@pytest.mark.parametrize("always", [True, False])
def test_a_network_that_cannot_be_recorded_is_trained_eagerly_and_hurts_no_other(
    always: bool, tiny: xzoo.Backbone, tmp_path: Path
) -> None:
    def build() -> nn.Module:
        network = tiny.build()
        setattr(network, "6", nn.Sequential(nn.Dropout(0.5), Reading(always)))
        return network

    odd = dataclasses.replace(tiny, name="odd", build=build)
    found = compared([odd, tiny], tmp_path)
    assert not found.failed
    told = {cell.backbone: [note for note in cell.notes if "not recorded" in note] for cell in found.cells}
    assert {name: len(notes) for name, notes in told.items()} == {"odd": 1, "tiny": 0}


def test_images_stay_on_the_device_for_all_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought: list[tuple[int, ...]] = []

    def bring(rows: NDArray[np.uint8], device: str) -> Tensor | None:
        brought.append(rows.shape)
        return feed.resident(rows, device)

    monkeypatch.setattr(resident, "resident", bring)
    assert not compared(["resnet18@random", "googlenet@random"], tmp_path, size=64).failed
    assert brought == [(48, 1, 64, 64)]
