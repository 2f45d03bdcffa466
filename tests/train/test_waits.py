"""Nothing in an epoch waits for the device: counted on tensors without data that claim to lie on CUDA, so that none is needed.

Backward passes of such tensors need a device, and are left out; tests/test_cuda.py has torch itself look for waits there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import xzoo
from xzoo.data import batches as batches_module
from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, make_view
from xzoo.model.classifier import Classifier
from xzoo.train import loop
from xzoo.train.capture import Run
from xzoo.train.checkpoint_state import Saving, Standing
from xzoo.train.device import Device
from xzoo.train.eager import Step
from xzoo.train.features import FeatureBatches
from xzoo.train.graph import Recorded
from xzoo.train.learner import HeadOnFeatures, Learner, WholeNetwork, groups_of
from xzoo.train.objective import objective
from xzoo.train.recipe import make
from xzoo.train.standardise import Standardiser
from xzoo.zoo.strategies import parse

Make = Callable[..., Classifier]
CUDA = Device("cuda", "fp32", 1)
LABELS = np.arange(40) % 2
READS = ("_local_scalar_dense", "nonzero", "equal.default", "is_nonzero", "masked_select", "unique")


class Waits(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects operations that wait: reads of values, copies to the host, and copies to the device that are not told not to."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []
        self.on_cuda = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = str(func), kwargs or {}
        # The fused optimisers cannot be run without data; what they are given lies on the device.
        out = None if "_fused_" in name else func(*args, **kwargs)
        tensors = [one for one in (*args, out) if isinstance(one, Tensor)]
        kinds = [one.device.type for one in tensors]
        self.on_cuda += "cuda" in kinds
        is_copy = "copy" in name and len(set(kinds)) == 2
        if any(word in name for word in READS) or (is_copy and not (kwargs.get("non_blocking") and kinds[-1] == "cuda")):
            self.found.append(f"{name} {kinds}")
        return out


class Again:
    """Does all the work each time, as it comes."""

    def watched(self, run: Run) -> str:
        run()
        return ""

    def record(self, run: Run) -> Run:
        return run


def epoch_on_cuda(learner: Learner, batches: Any, **recipe: Any) -> Waits:
    """Make an epoch after the first step of a phase, and return what waited in it."""
    values, classifier = make({"batch_size": 5, **recipe}), learner.classifier
    rates = dict.fromkeys(classifier.stages, 1.0)
    classifier.learn(rates)
    steps = Recorded(Step(learner, objective(values, LABELS, 2, "cuda"), values, CUDA), Again())
    standing = Standing(classifier, steps, "cuda", epoch=1)
    work = loop._Work(standing, Saving(), batches, parse("finetune"), values, CUDA, rates_on="cuda")
    optimizer = work.hold(groups_of(classifier, rates, set()))
    steps.begin(optimizer, is_new_phase=True)
    waits = Waits()
    with waits:
        loop._steps(work, optimizer, rates, is_new_phase=False)
    assert standing.seen == 24
    return waits


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Classifier], Classifier]]:
    """Let tensors have no data, and return what puts a classifier on a device that is not there."""

    def move(classifier: Classifier) -> Classifier:
        for module in classifier.network.modules():
            for name, parameter in module.named_parameters(recurse=False):
                setattr(module, name, torch.nn.Parameter(torch.empty(parameter.shape, device="cuda")))
            for name, buffer in module.named_buffers(recurse=False):
                setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device="cuda"))
        learning.extend(classifier.network.parameters())
        return classifier

    def backward(loss: Tensor) -> None:
        assert loss.requires_grad
        for parameter in learning:
            parameter.grad = torch.empty_like(parameter) if parameter.requires_grad else None

    learning: list[torch.nn.Parameter] = []
    monkeypatch.setattr(Tensor, "backward", backward)
    with ExitStack() as stack:
        yield lambda classifier: (stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True)), move(classifier))[1]


@pytest.mark.parametrize("augment", ["none", "chest-xray", "natural"])
@pytest.mark.parametrize("values", [{"optimizer": "adamw"}, {"optimizer": "sgd", "class_weights": "balanced"}])
def test_an_epoch_on_images_waits_for_nothing(
    augment: str, values: Any, moved: Any, classifier_of: Make, tiny: xzoo.Backbone, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = make_view(pack, size=(16, 16), num_channels=3)
    images = Batches(view, pack.labels_N, np.arange(24), tiny.preprocess, 5, augment=augment, device="cuda", pack=pack)
    classifier = moved(classifier_of(tiny))
    held = torch.empty(view.pixels_NCHW.shape, dtype=torch.uint8, device="cuda")
    monkeypatch.setattr(batches_module, "images_on", lambda *words, **more: held)
    waits = epoch_on_cuda(WholeNetwork(classifier), images, **values)
    assert waits.found == []
    assert waits.on_cuda > 100


def test_an_epoch_on_features_waits_for_nothing(moved: Any, classifier_of: Make, tiny: xzoo.Backbone) -> None:
    classifier = moved(classifier_of(tiny))
    mean_D, inverse_D = (torch.empty(8, dtype=torch.double, device="cuda") for _ in range(2))
    features = FeatureBatches(
        torch.empty(40, 8, device="cuda"), torch.empty(40, dtype=torch.long, device="cuda"), np.arange(24), 5, 0
    )
    waits = epoch_on_cuda(HeadOnFeatures(classifier, Standardiser(mean_D, inverse_D)), features, loss="bce")
    assert waits.found == []
    assert waits.on_cuda > 50


def test_what_waits_is_found(moved: Any, classifier_of: Make, tiny: xzoo.Backbone) -> None:
    moved(classifier_of(tiny))
    device_N = torch.empty(3, device="cuda")
    with Waits() as waits:
        torch.ones(3).to("cuda", non_blocking=True)
        assert waits.found == []
        torch.tensor([1.0]).to("cuda")
        device_N.cpu()
        device_N.copy_(torch.ones(3))
        with pytest.raises(DataDependentOutputException):
            float(device_N.sum())
    assert [word.partition(".")[2].partition(".")[0] for word in waits.found] == ["_to_copy", "_to_copy", "copy_"]
