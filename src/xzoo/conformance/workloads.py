"""What is timed: one batch through a backbone, its feature pass, one training step. All on images that lie on the device already.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from xzoo.compare.bench import build, input_of
from xzoo.errors import UsageError
from xzoo.model.classifier import Classifier
from xzoo.train import memory
from xzoo.train.device import Device, choose
from xzoo.train.prepared import prepare
from xzoo.train.recipe import Recipe
from xzoo.train.step import Steps
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Backbone
from xzoo.zoo.strategies import parse

NUM_CLASSES = 2
Work = Callable[[], object]
"""Does the work once and waits until the device has done it."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A backbone on its device with a head for two classes, and one batch of noise with labels."""

    classifier: Classifier
    device: Device
    images_BCHW: Tensor
    labels_B: Tensor
    recipe: Recipe


def subject(wanted: str | Backbone, batch: int, device: Device | None = None) -> Subject:
    """Return what the workloads of a backbone work on; random weights unless its name asks for others. Raises XzooError."""
    name = f"{wanted}@random" if isinstance(wanted, str) and "@" not in wanted else wanted
    choice = Registry.installed().get(name)
    device = device or choose()
    memory.keep_freed()
    recipe = Recipe(epochs=100_000, batch_size=max(2, batch), schedule="constant", lr=1e-4)
    preprocess = input_of(choice, recipe)
    classifier, device = build(prepare(choice), NUM_CLASSES, recipe, 0, preprocess, device)
    draw = torch.Generator().manual_seed(0)
    images_BCHW = torch.randn(batch, preprocess.num_channels, *preprocess.shape, generator=draw)
    images_BCHW = images_BCHW.to(device.kind, memory_format=torch.channels_last)
    return Subject(classifier, device, images_BCHW, torch.arange(batch, device=device.kind) % NUM_CLASSES, recipe)


@contextlib.contextmanager
def inference(on: Subject) -> Iterator[Work]:
    """Yield the work of one batch from images to logits, in eval mode, at the device's precision."""
    with _evaluating(on):
        yield lambda: _waited(on, on.classifier(on.images_BCHW))


@contextlib.contextmanager
def feature_pass(on: Subject) -> Iterator[Work]:
    """Yield the work of one batch from images to the head's input: what `frozen` pays once per image."""
    with _evaluating(on):
        yield lambda: _waited(on, on.classifier.features(on.images_BCHW))


@contextlib.contextmanager
def training_step(on: Subject, freeze: str) -> Iterator[Work]:
    """Yield the work of one step of the trainer: on features where the head alone learns, else on images or activations."""
    yield Steps(on.classifier, on.images_BCHW, on.labels_B, parse(freeze), on.recipe, on.device).run


def open_work(
    name: str, backbone: str | Backbone, batch: int, device: Device | None = None
) -> contextlib.AbstractContextManager[Work]:
    """Return the workload called `inference`, `features`, or `train-` and a freeze strategy. Raises UsageError for another."""
    on = subject(backbone, batch, device)
    if name == "inference":
        return inference(on)
    if name == "features":
        return feature_pass(on)
    kind, _, freeze = name.partition("-")
    if kind != "train" or not freeze:
        raise UsageError(f"there is no workload {name!r}", "use inference, features, or train- with a freeze strategy")
    return training_step(on, freeze)


@contextlib.contextmanager
def _evaluating(on: Subject) -> Iterator[None]:
    # Autocast keeps its copy of a weight only where that requires gradients, and as long as one context lasts.
    for parameter in on.classifier.network.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    on.classifier.network.eval()
    with torch.no_grad(), on.device.arithmetic():
        yield


def _waited(on: Subject, out: Tensor) -> Tensor:
    on.device.synchronise()
    return out
