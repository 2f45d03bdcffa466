"""What the suite and the gate time does what it is named after."""

from __future__ import annotations

import pytest
import torch

import xzoo
from xzoo.conformance import workloads
from xzoo.conformance.workloads import Subject
from xzoo.errors import UsageError
from xzoo.train.device import Device


@pytest.fixture
def on(tiny: xzoo.Backbone) -> Subject:
    return workloads.subject(tiny, 4, Device("cpu", "fp32", 1))


def moved(on: Subject, name: str, calls: int = 2) -> set[str]:
    """Return the tensors that a workload changes."""
    before = {key: tensor.clone() for key, tensor in on.classifier.network.state_dict().items()}
    with workloads.training_step(on, name) as work:
        for _ in range(calls):
            work()
    return {key for key, tensor in on.classifier.network.state_dict().items() if not torch.equal(tensor, before[key])}


def test_inference_gives_the_networks_logits(on: Subject) -> None:
    with workloads.inference(on) as work:
        logits_BK = work()
    assert isinstance(logits_BK, torch.Tensor)
    assert logits_BK.shape == (4, 2)
    assert not logits_BK.requires_grad
    assert torch.equal(logits_BK, on.classifier.network.eval()(on.images_BCHW))


def test_the_feature_pass_ends_at_the_head(on: Subject) -> None:
    with workloads.feature_pass(on) as work:
        features_BD = work()
    assert isinstance(features_BD, torch.Tensor)
    assert features_BD.shape == (4, 8)


def test_a_frozen_step_moves_the_head_alone(on: Subject) -> None:
    assert moved(on, "frozen") == {"9.weight", "9.bias"}


def test_a_fine_tuning_step_moves_everything_that_can_learn(on: Subject) -> None:
    learns = {name for name, _ in on.classifier.network.named_parameters()}
    assert moved(on, "finetune") >= learns - on.classifier.resting


def test_each_call_is_one_step(on: Subject) -> None:
    with workloads.training_step(on, "finetune") as work:
        for _ in range(3):
            work()
    counters = [tensor for name, tensor in on.classifier.network.state_dict().items() if name.endswith("num_batches_tracked")]
    assert [int(counter) for counter in counters] == [3, 3]


def test_a_name_alone_means_random_weights() -> None:
    with workloads.open_work("inference", "mlp", 2, Device("cpu", "fp32", 1)) as work:
        assert isinstance(work(), torch.Tensor)


@pytest.mark.parametrize("name", ["inferense", "train-", "train"])
def test_an_unknown_workload_is_named(tiny: xzoo.Backbone, name: str) -> None:
    with pytest.raises(UsageError, match="workload"):
        workloads.open_work(name, tiny, 2)
