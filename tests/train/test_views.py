from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import xzoo
from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, make_view
from xzoo.model.classifier import Classifier
from xzoo.train.device import Device
from xzoo.train.features import Extractor, LiveFeatures
from xzoo.train.learner import HeadOnFeatures
from xzoo.train.loop import Batched, train
from xzoo.train.objective import objective
from xzoo.train.recipe import make
from xzoo.train.standardise import IDENTITY
from xzoo.train.views import ViewBatches
from xzoo.zoo.strategies import Frozen

Make = Callable[..., Classifier]
EPOCHS = 3


@pytest.fixture
def images(pack: Pack, tiny: xzoo.Backbone) -> Batches:
    """Images 5 to 37, augmented, eight in a batch but for the last, which is one larger."""
    view = make_view(pack, size=(16, 16), num_channels=3)
    return Batches(view, pack.labels_N, np.arange(5, 38), tiny.preprocess, 8, seed=3, augment="chest-xray")


@pytest.fixture
def seen(classifier_of: Make, tiny: xzoo.Backbone) -> tuple[Classifier, list[int]]:
    """A classifier of which nothing but the head learns, and the sizes of the batches that its body has seen since."""
    classifier, sizes = classifier_of(tiny), []
    classifier.learn({})
    classifier.network.get_submodule("0").register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    return classifier, sizes


def extract(classifier: Classifier, device: Device) -> Extractor:
    def run(images_BCHW: Tensor) -> Tensor:
        with device.arithmetic():
            return classifier.features(images_BCHW)

    return Extractor("eager", lambda _: run)


def kept(classifier: Classifier, images: Batches, device: Device, num_views: int, body: str = "body") -> ViewBatches:
    return ViewBatches(dataclasses.replace(images, views=num_views), extract(classifier, device), device, body)


def tensors(batches: Iterator[tuple[Tensor, Tensor]]) -> list[Tensor]:
    return [tensor for pair in batches for tensor in pair]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_as_many_views_as_epochs_train_what_a_run_that_keeps_nothing_trains(
    precision: str, seen: tuple[Classifier, list[int]], classifier_of: Make, tiny: xzoo.Backbone, images: Batches, own_cache: Path
) -> None:
    device, recipe = Device("cpu", precision, 1), make({"epochs": EPOCHS, "lr": 0.03})
    states: list[dict[str, Tensor]] = []
    for classifier, batches in (
        (seen[0], kept(seen[0], images, device, EPOCHS)),
        (other := classifier_of(tiny), LiveFeatures(extract(other, device), images)),
    ):
        assert isinstance(batches, ViewBatches | LiveFeatures)
        laid: Batched = batches
        compute = objective(recipe, images.labels_N, 2, "cpu")
        assert len(list(train(HeadOnFeatures(classifier, IDENTITY), laid, compute, Frozen(), recipe, device, dict))) == EPOCHS
        states.append(classifier.network.state_dict())
    assert [name for name, tensor in states[0].items() if not torch.equal(tensor, states[1][name])] == []


def test_the_body_sees_each_image_once_per_view(
    seen: tuple[Classifier, list[int]], images: Batches, device: Device, own_cache: Path
) -> None:
    classifier, sizes = seen
    batches = kept(classifier, images, device, 2)
    assert (batches.num_steps, batches.seed) == (4, 3)
    for epoch in range(5):
        assert sum(len(labels_B) for _, labels_B in batches.epoch(epoch)) == 33
    assert sum(sizes) == 33 * 2
    list(kept(classifier, images, device, 2).epoch(1))
    assert sum(sizes) == 33 * 2


def test_views_come_round_in_the_order_of_the_present_epoch(
    seen: tuple[Classifier, list[int]], images: Batches, device: Device, own_cache: Path
) -> None:
    classifier, _ = seen
    batches = kept(classifier, images, device, 2)
    live = [tensors(LiveFeatures(extract(classifier, device), images).epoch(epoch)) for epoch in range(2)]
    assert same(tensors(batches.epoch(0)), live[0])
    assert same(tensors(batches.epoch(1)), live[1])
    again = tensors(batches.epoch(2))
    expected = tensors(LiveFeatures(extract(classifier, device), batches.images).epoch(2))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(again, expected, strict=True))
    assert not same(again, live[0])
    rows = [sorted(torch.cat(features[::2]).sum(1).tolist()) for features in (again, live[0])]
    assert rows[0] == pytest.approx(rows[1])


def test_what_could_change_a_view_is_part_of_its_key(
    seen: tuple[Classifier, list[int]], images: Batches, device: Device, own_cache: Path
) -> None:
    classifier, sizes = seen
    asked = [
        kept(classifier, images, device, 2),
        kept(classifier, images, device, 2, body="other"),
        kept(classifier, dataclasses.replace(images, seed=4), device, 2),
        kept(classifier, dataclasses.replace(images, augment="natural"), device, 2),
        kept(classifier, dataclasses.replace(images, indices=np.arange(4, 37)), device, 2),
        kept(classifier, dataclasses.replace(images, batch_size=7), device, 2),
        kept(classifier, images, Device("cpu", "fp32", 2), 2),
    ]
    for _ in range(2):
        for batches in asked:
            list(batches.epoch(0))
            list(batches.epoch(1))
    assert sum(sizes) == 2 * 33 * len(asked)
    list(kept(classifier, images, device, 3).epoch(1))
    assert sum(sizes) == 2 * 33 * len(asked)
