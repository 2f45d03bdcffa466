from __future__ import annotations

import pytest
import torch

import xzoo
from xzoo.model.classifier import Classifier, build
from xzoo.train.device import Device
from xzoo.train.recipe import Recipe
from xzoo.train.step import Steps
from xzoo.zoo.strategies import parse

IMAGES_BCHW = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
HEAD = {"9.weight", "9.bias"}
BLOCK = {f"{place}.{name}" for place in (3, 4) for name in ("weight", "bias")} | {
    f"4.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
}


@pytest.fixture
def classifier(tiny: xzoo.Backbone) -> Classifier:
    return build(tiny.build(), tiny, 2, seed=0, size=(16, 16))


def steps_of(classifier: Classifier, freeze: str) -> Steps:
    labels_B = torch.arange(8) % 2
    return Steps(classifier, IMAGES_BCHW, labels_B, parse(freeze), Recipe(batch_size=8), Device("cpu", "fp32", 1))


def moved(classifier: Classifier, freeze: str) -> set[str]:
    before = {key: tensor.clone() for key, tensor in classifier.network.state_dict().items()}
    steps = steps_of(classifier, freeze)
    steps.run()
    steps.run(2)
    return {key for key, tensor in classifier.network.state_dict().items() if not torch.equal(tensor, before[key])}


@pytest.mark.parametrize(
    ("freeze", "trains_on", "learning"),
    [
        ("frozen", "features", ()),
        ("last:1", "activations", ("block",)),
        ("finetune", "images", ("stem", "block")),
        ("lp-ft", "images", ("stem", "block")),
        ("gradual:1", "images", ("stem", "block")),
    ],
)
def test_the_last_phase_trains_on_what_the_trainer_would_train_it_on(
    classifier: Classifier, freeze: str, trains_on: str, learning: tuple[str, ...]
) -> None:
    steps = steps_of(classifier, freeze)
    assert (steps.trains_on, steps.learning) == (trains_on, learning)


@pytest.mark.parametrize(("freeze", "learns"), [("frozen", HEAD), ("last:1", HEAD | BLOCK)])
def test_what_the_strategy_freezes_stays(classifier: Classifier, freeze: str, learns: set[str]) -> None:
    assert moved(classifier, freeze) <= learns
    assert moved(classifier, freeze) >= HEAD


def test_so_many_steps_are_made_as_are_asked_for(classifier: Classifier) -> None:
    steps = steps_of(classifier, "finetune")
    steps.run()
    steps.run(4)
    assert int(classifier.network.state_dict()["1.num_batches_tracked"]) == 5
