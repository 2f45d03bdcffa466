from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from xzoo.evaluate.engines import choice
from xzoo.evaluate.engines.choice import COSTS, Cost, Work, choose_engine, work_of
from xzoo.evaluate.engines.eager import Eager
from xzoo.evaluate.engines.openvino import OpenVino
from xzoo.train.device import Device

CPU = Device("cpu", "bf16", 2)
WORK = Work(gmacs=2.0, mega_values=10.0, num_layers=50, mega_params=10.0)
AT_ONCE = Cost(0, 0, 0, per_gmac=0.005, per_mega_value=0, per_layer_and_image=0)
LATER = Cost(once=1.0, per_layer=0.01, per_mega_param=0.05, per_gmac=0.001, per_mega_value=0.0002, per_layer_and_image=2e-5)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "COSTS", {("eager", "bf16"): AT_ONCE, ("openvino", "bf16"): LATER})
    monkeypatch.setattr(choice, "available", lambda _device: (Eager(), OpenVino()))


def test_seconds_are_those_of_getting_ready_and_of_the_images_on_all_threads() -> None:
    # 1 + 50 * 0.01 + 10 * 0.05 = 2 to get ready; 0.002 + 0.002 + 0.001 = 0.005 for an image.
    assert LATER.seconds(WORK, 0, 2) == pytest.approx(2.0)
    assert LATER.seconds(WORK, 1000, 1) == pytest.approx(7.0)
    assert LATER.seconds(WORK, 1000, 2) == pytest.approx(4.5)


@pytest.mark.usefixtures("two")
def test_converting_pays_once_the_images_are_many_enough() -> None:
    # On two threads an image takes 5 ms eagerly and 2.5 ms converted: 2 s of getting ready are saved by 800 images.
    assert choose_engine(WORK, 790, CPU).engine == "eager"
    chosen = choose_engine(WORK, 810, CPU)
    assert chosen.engine == "openvino"
    assert chosen.seconds == {"eager": pytest.approx(4.05), "openvino": pytest.approx(4.025)}
    assert chosen.reason == "predicted for 810 images: openvino 4.0 s, eager 4.0 s"


def test_what_is_not_installed_or_has_another_precision_is_not_considered(monkeypatch: pytest.MonkeyPatch, two: None) -> None:
    assert choose_engine(WORK, 10**6, Device("cpu", "fp32", 2)).engine == "eager"
    monkeypatch.setattr(choice, "available", lambda _device: (Eager(),))
    assert choose_engine(WORK, 10**6, CPU).engine == "eager"


def test_on_cuda_it_is_eager_since_no_costs_are_known() -> None:
    chosen = choose_engine(WORK, 10**6, Device("cuda", "bf16", 2))
    assert (chosen.engine, chosen.seconds) == ("eager", {})
    assert "no costs are known on cuda" in chosen.reason


def test_eager_has_measured_costs_in_both_precisions_and_is_ready_first() -> None:
    for precision in ("bf16", "fp32"):
        ready = {engine: cost.seconds(WORK, 0, 1) for (engine, kind), cost in COSTS.items() if kind == precision}
        assert min(ready, key=lambda engine: ready[engine]) == "eager"


class Counted(nn.Module):
    """Two layers, of which the second one gives 8 values, and a branch by size."""

    def __init__(self, looks: bool = False) -> None:
        super().__init__()
        self.first, self.second, self.looks = nn.Conv2d(1, 2, 1, bias=False), nn.Linear(18, 8), looks

    def forward(self, images_BCHW: Tensor) -> Tensor:
        found = self.first(images_BCHW)
        if self.looks and float(found.detach().sum()) > 1e9:
            raise ValueError
        logits: Tensor = self.second(found.flatten(1))
        return logits


@pytest.mark.parametrize("looks", [False, True])
def test_counts_are_those_of_one_image_and_leave_no_trace(looks: bool) -> None:
    module = Counted(looks)
    # 9 pixels by 2 channels, 2 multiplications for each of them; then 18 by 8.
    assert work_of(module, (3, 3), 1) == Work(gmacs=(18 + 144) / 1e9, mega_values=26 / 1e6, num_layers=2, mega_params=154 / 1e6)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
    assert torch.equal(module(torch.zeros(1, 1, 3, 3)), module(torch.zeros(1, 1, 3, 3)))
