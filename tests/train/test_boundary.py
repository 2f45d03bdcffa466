from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import xzoo
from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, make_view
from xzoo.model.classifier import Classifier
from xzoo.model.cut import Cut, cut
from xzoo.train import boundary
from xzoo.train.boundary import Activations, UpperNetwork
from xzoo.train.device import Device

Make = Callable[..., Classifier]
SOME = np.array([30, 2, 17, 5, 9, 11, 28])


@pytest.fixture
def images(pack: Pack, tiny: xzoo.Backbone) -> Batches:
    """Images 5 to 37, eight in a batch."""
    view = make_view(pack, size=(16, 16), num_channels=3)
    return Batches(view, pack.labels_N, np.arange(5, 38), tiny.preprocess, 8, seed=3)


@pytest.fixture
def classifier(classifier_of: Make, tiny: xzoo.Backbone) -> Classifier:
    classifier = classifier_of(tiny)
    classifier.network.to(memory_format=torch.channels_last)
    return classifier


@pytest.fixture
def halves(classifier: Classifier, images: Batches) -> Cut:
    example_BCHW, _ = next(images.ordered())
    found = cut(classifier, {"(head)", "block"}, example_BCHW)
    assert isinstance(found, Cut)
    classifier.network.eval()
    return found


def computed(halves: Cut, images: Batches, device: Device) -> Activations:
    return boundary.compute(halves, images, np.arange(40), device, body="body")


def test_activations_come_in_the_order_of_the_images_bit_for_bit(
    halves: Cut, images: Batches, device: Device, own_cache: Path
) -> None:
    kept = computed(halves, images, device)
    assert (kept.num_steps, kept.seed) == (images.num_steps, 3)
    pairs = [(kept.epoch(epoch), images.epoch(epoch)) for epoch in (0, 1)]
    pairs.append((kept.ordered(SOME), dataclasses.replace(images, indices=SOME).ordered()))
    for ours, theirs in pairs:
        for (rows_BCHW, labels_B), (images_BCHW, others_B) in zip(ours, theirs, strict=True):
            expected = halves.lower(images_BCHW)
            assert torch.equal(labels_B, others_B)
            assert torch.equal(rows_BCHW, expected)
            assert rows_BCHW.stride() == expected.stride()


def test_activations_that_lie_on_the_device_are_those_of_the_file(
    halves: Cut, images: Batches, device: Device, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from_file = list(computed(halves, images, device).epoch(1))
    asked: list[str] = []

    def bring(rows: NDArray[np.uint8], kind: str) -> torch.Tensor:
        asked.append(kind)
        return torch.from_numpy(np.array(rows))

    monkeypatch.setattr(boundary, "resident", bring)
    kept = computed(halves, images, device)
    for _ in range(2):
        for (rows_BCHW, labels_B), (expected, others_B) in zip(kept.epoch(1), from_file, strict=True):
            assert torch.equal(rows_BCHW, expected)
            assert rows_BCHW.stride() == expected.stride()
            assert torch.equal(labels_B, others_B)
    assert asked == ["cpu"]


def test_each_image_goes_through_the_frozen_part_once_in_full_batches(
    classifier: Classifier, halves: Cut, images: Batches, device: Device, own_cache: Path
) -> None:
    sizes: list[int] = []
    classifier.network.get_submodule("0").register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    some = dataclasses.replace(images, batch_size=16)
    kept = computed(halves, some, device)
    assert sizes == [16, 16, 16]  # 40 images, the last batch filled up
    assert kept.rows.bytes_NR.shape[0] == 40
    for epoch in (0, 1):
        assert sum(len(labels_B) for _, labels_B in kept.epoch(epoch)) == 33
    computed(halves, dataclasses.replace(some, seed=9), device)
    assert len(sizes) == 3


def test_what_could_change_an_activation_is_part_of_its_key(
    classifier: Classifier, halves: Cut, images: Batches, device: Device, own_cache: Path
) -> None:
    passes: list[int] = []
    classifier.network.get_submodule("0").register_forward_hook(lambda module, inputs, output: passes.append(1))
    darker = dataclasses.replace(images.preprocess, mean=(0.4,) * 3)
    view = dataclasses.replace(images.view, key="cropped")
    every = np.arange(40)
    asked = [
        (halves, images, every, device, "body"),
        (halves, images, every, device, "other"),
        (halves, images, every[1:], device, "body"),
        (halves, images, every, Device("cpu", "bf16", 1), "body"),
        (halves, images, every, Device("cpu", "fp32", 2), "body"),
        (halves, dataclasses.replace(images, batch_size=40), every, device, "body"),
        (halves, dataclasses.replace(images, preprocess=darker), every, device, "body"),
        (halves, dataclasses.replace(images, view=view), every, device, "body"),
        (dataclasses.replace(halves, place="elsewhere"), images, every, device, "body"),
    ]
    for _ in range(2):
        for where, batches, indices, on, body in asked:
            boundary.compute(where, batches, indices, on, body=body)
    assert len(passes) == 5 * (len(asked) - 1) + 1
    assert len(list((own_cache / "features").iterdir())) == len(asked)


def test_bfloat16_activations_take_half_the_bytes(classifier: Classifier, images: Batches, own_cache: Path) -> None:
    example_BCHW, _ = next(images.ordered())
    sizes = []
    for precision in ("fp32", "bf16"):
        device = Device("cpu", precision, 1)
        found = cut(classifier, {"(head)", "block"}, example_BCHW, device.arithmetic)
        assert isinstance(found, Cut)
        classifier.network.eval()
        sizes.append(computed(found, images, device).rows.bytes_NR.shape[1])
    assert sizes[0] == 2 * sizes[1]


def test_the_upper_network_gives_the_whole_ones_logits_and_trains_its_modules(
    classifier: Classifier, halves: Cut, images: Batches
) -> None:
    images_BCHW, _ = next(images.ordered())
    learner = UpperNetwork(classifier, halves)
    logits_BK, auxiliary = learner.outputs(halves.lower(images_BCHW))
    assert torch.equal(logits_BK, classifier(images_BCHW))
    assert auxiliary == []
    classifier.learn({"block": 1.0})
    learner.outputs(halves.lower(images_BCHW))[0].sum().backward()  # type: ignore[no-untyped-call]
    learner.finish()
    got = {name for name, parameter in classifier.network.named_parameters() if parameter.grad is not None}
    assert {name.partition(".")[0] for name in got} == {"3", "4", "9"}
