from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import xzoo
from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, make_view
from xzoo.data.split import SplitRule, draw
from xzoo.evaluate.predictions import predict
from xzoo.model.classifier import build
from xzoo.train import phases
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.phases import Phase, Phases, Work
from xzoo.train.preflight import preflight
from xzoo.train.recipe import Recipe, make
from xzoo.zoo.registry import Registry
from xzoo.zoo.strategies import parse

Found = list[NDArray[np.float64]]
LAY = Callable[..., Work]


@pytest.fixture
def work_of(pack: Pack) -> LAY:
    """Lay out a backbone's cell: `work_of(backbone, precision="fp32", **of_the_batches)`."""

    def make_work(backbone: xzoo.Backbone, precision: str = "fp32", **changes: Any) -> Work:
        preprocess = dataclasses.replace(backbone.preprocess, size=16 if backbone.name == "tiny" else 32)
        split = draw(pack.labels_N, pack.splits_N, pack.together_N, SplitRule(), 0)
        torch.manual_seed(0)
        classifier = build(backbone.build(), backbone, 2, seed=0, size=preprocess.shape)
        classifier.network.to(memory_format=torch.channels_last)
        view = make_view(pack, size=preprocess.shape, num_channels=3)
        training = Batches(view, pack.labels_N, split.train, preprocess, 8, seed=3)
        return Work(classifier, dataclasses.replace(training, **changes), split, Device("cpu", precision, 1), "body")

    return make_work


def uncached(work: Work) -> Phases:
    whole = Phase(WholeNetwork(work.classifier), work.training, lambda indices: ordered(work, indices))
    return Phases(work.classifier, whole, [whole] * 100, [], 0.0)


def ordered(work: Work, indices: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor]]:
    return dataclasses.replace(work.plain, indices=indices).ordered()


def trained(work: Work, laid: Phases, freeze: str, recipe: Recipe) -> Found:
    """Return probabilities of the validation images after each epoch, and of every split at the end."""

    def probabilities(indices: NDArray[np.int64]) -> NDArray[np.float64]:
        work.classifier.network.eval()
        return predict(laid.logits_of, laid.ordered(indices), work.device).probabilities_NK

    compute = objective(recipe, work.training.labels_N, 2, "cpu")
    epochs = train(laid, laid, compute, parse(freeze), recipe, work.device, dict)
    found = [probabilities(work.split.val) for _ in epochs]
    laid.finish()
    return [*found, *(probabilities(indices) for indices in (work.split.train, work.split.val, work.split.test))]


def in_both_ways(
    work_of: LAY, backbone: xzoo.Backbone, freeze: str, precision: str, num_epochs: int, **changes: Any
) -> tuple[Phases, Found, Found]:
    recipe = make({"epochs": num_epochs, "batch_size": 8, "lr": 0.01})
    work, other = (work_of(backbone, precision, **changes) for _ in range(2))
    laid = phases.lay(work, parse(freeze), num_epochs)
    first = trained(work, laid, freeze, recipe)
    second = trained(other, uncached(other), freeze, recipe)
    state = other.classifier.network.state_dict()
    assert [name for name, tensor in work.classifier.network.state_dict().items() if not torch.equal(tensor, state[name])] == []
    return laid, first, second


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("freeze", ["last:1", "lp-ft", "gradual:2"])
def test_what_is_trained_on_activations_is_bit_for_bit_what_is_trained_on_images(
    work_of: LAY, tiny: xzoo.Backbone, freeze: str, precision: str, own_cache: Path
) -> None:
    laid, first, second = in_both_ways(work_of, tiny, freeze, precision, 4)
    assert "activations" in laid.notes[0]
    assert [np.array_equal(one, other) for one, other in zip(first, second, strict=True)] == [True] * 7
    assert laid.seconds > 0


@pytest.mark.parametrize(("freeze", "precision"), [("last:1", "fp32"), ("lp-ft", "bf16")])
def test_so_it_is_for_a_residual_network(work_of: LAY, freeze: str, precision: str, own_cache: Path) -> None:
    backbone = Registry.installed().get("resnet18@random").backbone
    laid, first, second = in_both_ways(work_of, backbone, freeze, precision, 4)
    assert "activations" in laid.notes[0]
    assert [np.array_equal(one, other) for one, other in zip(first, second, strict=True)] == [True] * 7


class HeadLast:
    """The last stage learns in the first epoch, and then no more."""

    def rates(self, stages: Sequence[str], epoch: int, num_epochs: int) -> Mapping[str, float]:
        return {stages[-1]: 1.0} if epoch == 0 else {}


def test_a_stage_that_learnt_once_is_not_taken_for_what_it_was(
    work_of: LAY, tiny: xzoo.Backbone, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "parse", lambda freeze: HeadLast())
    laid, first, second = in_both_ways(work_of, tiny, "head last", "fp32", 4)
    assert laid.notes == ("epochs 1 to 4: activations of 2, 784 bytes per image",)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


def test_views_are_reused_below_the_boundary_too(work_of: LAY, tiny: xzoo.Backbone, own_cache: Path) -> None:
    laid, first, second = in_both_ways(work_of, tiny, "last:1", "fp32", 3, augment="chest-xray", views=3)
    assert "activations" in laid.notes[0]
    assert [np.array_equal(one, other) for one, other in zip(first, second, strict=True)] == [True] * 6


@pytest.mark.parametrize(("freeze", "num_seen"), [("last:1", 40), ("lp-ft", 40 + 2 * 32 + 40), ("finetune", 4 * 32 + 40)])
def test_the_frozen_part_sees_each_image_once_per_phase(
    freeze: str, num_seen: int, work_of: LAY, tiny: xzoo.Backbone, own_cache: Path
) -> None:
    work, sizes = work_of(tiny), []
    first = work.classifier.network.get_submodule("0")
    first.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    laid = phases.lay(work, parse(freeze), 4)
    trained(work, laid, freeze, make({"epochs": 4, "batch_size": 8}))
    # The cut is tried on two images, on one of them alone, and on one more.
    assert sum(size for size in sizes if size == work.training.batch_size) == num_seen
    assert {size for size in sizes if size != work.training.batch_size} <= {1, 2, 3}


def test_before_the_first_epoch_it_is_the_whole_network(work_of: LAY, tiny: xzoo.Backbone, own_cache: Path) -> None:
    work = work_of(tiny)
    laid = phases.lay(work, parse("lp-ft"), 4)
    inputs, labels_B = next(laid.ordered(work.split.train[:4]))
    assert inputs.shape == (4, 3, 16, 16)
    compute = objective(make({}), work.training.labels_N, 2, "cpu")
    for rates in ({}, {"stem": 1.0, "block": 1.0}):
        preflight(laid, inputs, labels_B, compute, rates, work.device)
    shapes = []
    for epoch in range(4):
        inputs, _ = next(laid.epoch(epoch))
        shapes.append((inputs.dim(), next(laid.ordered(work.split.val))[0].dim()))
    assert shapes == [(2, 2)] * 2 + [(4, 4)] * 2


class Looking(nn.Sequential):
    """A network whose way depends on what it sees."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return super().forward(images_BCHW if images_BCHW.mean() > -9 else -images_BCHW)  # type: ignore[no-any-return, no-untyped-call]


@pytest.mark.parametrize(
    ("freeze", "num_epochs", "changes", "note"),
    [
        ("finetune", 4, {}, "epochs 1 to 4: images: every stage learns"),
        ("lp-ft", 3, {}, "epochs 1 to 1: images, since so few epochs see no image twice"),
        ("last:1", 4, {"augment": "chest-xray"}, "epochs 1 to 4: images, which are augmented anew in every epoch"),
        ("last:1", 1, {}, "epochs 1 to 1: activations of 2, 784 bytes per image"),
        ("lp-ft", 4, {}, "epochs 1 to 2: activations of the input of 9, 32 bytes per image"),
    ],
)
def test_the_notes_say_what_each_phase_works_with(
    work_of: LAY, tiny: xzoo.Backbone, freeze: str, num_epochs: int, changes: dict[str, Any], note: str, own_cache: Path
) -> None:
    assert phases.lay(work_of(tiny, **changes), parse(freeze), num_epochs).notes[0] == note


def test_a_network_that_cannot_be_cut_is_trained_on_images(work_of: LAY, tiny: xzoo.Backbone, own_cache: Path) -> None:
    looking = dataclasses.replace(tiny, build=lambda: Looking(*tiny.build().children()))
    laid, first, second = in_both_ways(work_of, looking, "last:1", "fp32", 2)
    assert "TraceError" in laid.notes[0]
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert not (own_cache / "features").exists()


def test_activations_that_would_fill_the_cache_are_not_kept(
    work_of: LAY, tiny: xzoo.Backbone, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XZOO_CACHE_LIMIT", str(4 * 40 * 783 / 1e9))
    laid = phases.lay(work_of(tiny), parse("last:1"), 4)
    assert laid.notes == ("epochs 1 to 4: images: 40 activations of 784 bytes are more than their share of the cache",)
    assert not (own_cache / "features").exists()
