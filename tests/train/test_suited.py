"""A network that bfloat16 would end the process with computes in float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from xzoo.compare.api import compare
from xzoo.data.source import arrays
from xzoo.train.device import LONGEST, Device, suited

FAST = Device("cpu", "bf16", 1)


@pytest.mark.parametrize(("inputs", "precision"), [(LONGEST, "bf16"), (LONGEST + 1, "fp32")])
def test_a_linear_layer_of_too_many_inputs_stays_in_float32(inputs: int, precision: str) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(inputs, 2, device="meta"))
    assert suited(FAST, network).precision == precision
    assert suited(replace(FAST, kind="cuda"), network).precision == "bf16"
    assert suited(replace(FAST, precision="fp32"), network).precision == "fp32"


def test_such_a_network_trains_and_says_what_it_computed_in(tmp_path: Path) -> None:
    # 24 images in a batch are what torch 2.15 divides by zero for, on one thread.
    images_NHW = np.random.default_rng(0).integers(0, 256, (40, 256, 256), dtype=np.uint8)
    data = arrays(images_NHW, np.arange(40) % 2, splits=["train"] * 24 + ["val"] * 8 + ["test"] * 8)
    recipe = {"epochs": 1, "batch_size": 24, "precision": "bf16"}
    found = compare(["mlp"], data, freeze=["finetune"], seeds=1, recipe=recipe, latency=False, runs=tmp_path)
    assert [(cell.status, cell.precision) for cell in found.cells] == [("done", "fp32")]
