from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, make_view
from xzoo.model.classifier import Classifier
from xzoo.train import features
from xzoo.train.device import Device
from xzoo.train.features import Extractor, FeatureBatches, LiveFeatures, tensors_key
from xzoo.train.learner import HeadOnFeatures, Learner, WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.proof import moved, snapshot
from xzoo.train.recipe import make
from xzoo.train.standardise import IDENTITY
from xzoo.zoo.strategies import Frozen

Make = Callable[..., Classifier]


@pytest.fixture
def images(pack: Pack, tiny: xzoo.Backbone) -> Batches:
    """All 40 images, 16 in a batch."""
    view = make_view(pack, size=(16, 16), num_channels=3)
    return Batches(view, pack.labels_N, np.arange(len(pack)), tiny.preprocess, 16, seed=3)


def extract(classifier: Classifier, name: str = "eager") -> Extractor:
    return Extractor(name, lambda _: classifier.network.eval() and classifier.features)


@pytest.fixture
def seen(classifier_of: Make, tiny: xzoo.Backbone) -> tuple[Classifier, list[int]]:
    """A classifier, and the sizes of the batches that its first convolution has seen since."""
    classifier, sizes = classifier_of(tiny), []
    first = classifier.network.get_submodule("0")
    first.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    return classifier, sizes


def test_the_body_sees_each_image_once_and_never_again(
    seen: tuple[Classifier, list[int]], images: Batches, device: Device, own_cache: Path
) -> None:
    classifier, sizes = seen
    first, made = features.compute(extract(classifier), images, device, body="body")
    assert sizes == [16, 16, 8]
    again, kept = features.compute(extract(classifier), dataclasses.replace(images, seed=9), device, body="body")
    assert sizes == [16, 16, 8]
    assert isinstance(first, Tensor)
    assert isinstance(again, Tensor)
    assert torch.equal(first, again)
    assert 0 < made.seconds == kept.seconds
    assert first.shape == (40, 8)
    assert first.dtype == torch.float32


def test_features_are_the_heads_input_in_eval_mode_in_the_order_of_the_images(
    classifier_of: Make, tiny: xzoo.Backbone, images: Batches, device: Device, own_cache: Path
) -> None:
    classifier = classifier_of(tiny)
    found, _ = features.compute(extract(classifier), images, device, body="body")
    network = classifier.network.eval()
    network.set_submodule("9", nn.Identity())
    with torch.no_grad():
        expected = torch.cat([network(images_BCHW) for images_BCHW, _ in images.ordered()])
    assert isinstance(found, Tensor)
    assert torch.equal(found, expected)


def test_what_could_change_a_feature_is_part_of_its_key(
    seen: tuple[Classifier, list[int]], images: Batches, device: Device, own_cache: Path
) -> None:
    classifier, sizes = seen
    darker = dataclasses.replace(images.preprocess, mean=(0.4,) * 3)
    view = dataclasses.replace(images.view, key="cropped")
    asked: list[tuple[Batches, Device, str, str]] = [
        (images, device, "body", "eager"),
        (images, Device("cpu", "bf16", 1), "body", "eager"),
        (images, Device("cpu", "fp32", 2), "body", "eager"),
        (images, device, "other", "eager"),
        (images, device, "body", "other"),
        (dataclasses.replace(images, preprocess=darker), device, "body", "eager"),
        (dataclasses.replace(images, view=view), device, "body", "eager"),
    ]
    for _ in range(2):
        for number, (batches, where, body, name) in enumerate(asked, 1):
            features.compute(extract(classifier, name), batches, where, body=body)
            assert sum(sizes) >= 40 * number
    assert sum(sizes) == 40 * len(asked)


def test_the_key_of_a_body_tells_every_tensor_but_the_heads(tiny: xzoo.Backbone) -> None:
    network = tiny.build()
    key = tensors_key(network, "9")
    for name, tensor in network.state_dict().items():
        kept = tensor.clone()
        tensor.view(-1)[-1] += 1
        assert (tensors_key(network, "9") == key) == name.startswith("9.")
        tensor.copy_(kept)
    assert tensors_key(network, "9") == key
    network.set_submodule("2", nn.GELU())
    assert tensors_key(network, "9") != key


def stored(images: Batches, classifier: Classifier, device: Device) -> FeatureBatches:
    found, _ = features.compute(extract(classifier), dataclasses.replace(images, indices=np.arange(40)), device, body="b")
    labels_N = torch.from_numpy(images.labels_N)
    return FeatureBatches(found, labels_N, images.indices, images.batch_size, images.seed)


def test_stored_features_come_in_the_order_of_the_images(
    classifier_of: Make, tiny: xzoo.Backbone, images: Batches, device: Device, own_cache: Path
) -> None:
    classifier = classifier_of(tiny)
    some = dataclasses.replace(images, indices=np.arange(5, 38), batch_size=8)
    kept, live = stored(some, classifier, device), LiveFeatures(extract(classifier), some)
    assert (kept.num_steps, live.num_steps, kept.seed, live.seed) == (4, 4, 3, 3)
    for epoch in (0, 1):
        for (one_BD, labels_B), (other_BD, others_B) in zip(kept.epoch(epoch), live.epoch(epoch), strict=True):
            assert torch.equal(labels_B, others_B)
            assert torch.allclose(one_BD, other_BD, atol=1e-6)


def test_live_features_are_those_of_the_augmented_images(
    classifier_of: Make, tiny: xzoo.Backbone, images: Batches, device: Device
) -> None:
    classifier = classifier_of(tiny)
    classifier.learn({})
    augmented = dataclasses.replace(images, augment="chest-xray")
    found: list[Tensor] = []
    for epoch in (0, 1):
        pairs = zip(LiveFeatures(extract(classifier), augmented).epoch(epoch), augmented.epoch(epoch), strict=True)
        for (features_BD, labels_B), (images_BCHW, others_B) in pairs:
            assert torch.equal(features_BD, classifier.features(images_BCHW))
            assert torch.equal(labels_B, others_B)
            assert not features_BD.requires_grad
            found.append(features_BD)
    plain = torch.cat([features_BD for features_BD, _ in LiveFeatures(extract(classifier), images).epoch(0)])
    assert not torch.equal(torch.cat(found[:3]), plain)
    assert not torch.equal(torch.cat(found[:3]), torch.cat(found[3:]))


def test_a_head_on_stored_features_learns_what_it_learns_in_place(
    classifier_of: Make, tiny: xzoo.Backbone, images: Batches, device: Device, own_cache: Path
) -> None:
    recipe = make({"epochs": 3, "lr": 0.03})
    compute = objective(recipe, images.labels_N, 2, "cpu")
    on_features, in_place = classifier_of(tiny), classifier_of(tiny)
    start = snapshot(in_place.network)
    pairs: list[tuple[Learner, Any]] = [
        (HeadOnFeatures(on_features, IDENTITY), stored(images, on_features, device)),
        (WholeNetwork(in_place), images),
    ]
    first, second = (list(train(learner, batches, compute, Frozen(), recipe, device, dict)) for learner, batches in pairs)
    assert moved(start, in_place.network.state_dict()) == {"9.weight", "9.bias"}
    for name, tensor in on_features.network.state_dict().items():
        assert torch.allclose(tensor, in_place.network.state_dict()[name], atol=1e-5), name
    assert [record.train_loss for record in first] == pytest.approx([record.train_loss for record in second], abs=1e-5)
