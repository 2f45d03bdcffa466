from __future__ import annotations

import openvino
import pytest
import torch
from torch import nn

from xzoo.compare.bench import build
from xzoo.compare.timed import NUM_CLASSES
from xzoo.evaluate.engines.extractor import extractor
from xzoo.train.device import LONGEST, Device
from xzoo.train.prepared import prepare
from xzoo.train.recipe import Recipe
from xzoo.zoo.spec import Backbone, Choice, Preprocess, RandomStart, ReplaceLinear

SIZE = Preprocess(size=(4, (LONGEST + 4) // 4), mean=(0.5,), std=(0.5,))
WIDE = Backbone(
    name="wide",
    build=lambda: nn.Sequential(nn.Flatten(), nn.Linear(LONGEST + 4, 2), nn.Linear(2, 2)),
    head=ReplaceLinear("2"),
    stages={"first": "1"},
    preprocess=SIZE,
)


@pytest.mark.parametrize(("engine", "version"), [("eager", torch.__version__), ("openvino", openvino.__version__)])
def test_kept_features_rest_on_the_version_of_what_ran_the_body(engine: str, version: str) -> None:
    classifier, device = build(prepare(Choice(WIDE, RandomStart(0))), NUM_CLASSES, Recipe(), 0, SIZE, Device("cpu", "fp32", 1))
    name, kept = extractor(classifier, engine, device).name.split()
    assert name == engine
    assert version.startswith(kept.partition("+")[0])


def test_whoever_builds_a_classifier_gets_the_precision_it_can_bear() -> None:
    _, device = build(prepare(Choice(WIDE, RandomStart(0))), NUM_CLASSES, Recipe(), 0, SIZE, Device("cpu", "bf16", 1))
    assert device.precision == "fp32"
