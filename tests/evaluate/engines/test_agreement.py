from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from xzoo.evaluate.engines.agreement import Agreement, agreement, guarded, noise
from xzoo.evaluate.engines.eager import Eager
from xzoo.evaluate.engines.engine import Loaded
from xzoo.train.device import Device

CPU = Device("cpu", "fp32", 1)
BODY = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
# The class is the sign of the first channel's mean: rows 0 to 7 in one, 8 and 9 in the other.
IMAGES_BCHW = torch.ones(10, 2, 2, 2)
IMAGES_BCHW[8:, 0] = -1.0


def logits(features_BD: Tensor) -> Tensor:
    return torch.stack([features_BD[:, 0], -features_BD[:, 0]], 1)


class Wrong(Eager):
    """Gives the features of the images from row 8 on with their sign turned."""

    name = "wrong"

    def load(self, module: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
        return Loaded(lambda images: module(images).abs(), "bf16")


def test_an_engine_that_computes_the_same_agrees_wholly() -> None:
    found = agreement(BODY, logits, [IMAGES_BCHW[:6], IMAGES_BCHW[6:]], Eager(), CPU)
    assert found == Agreement(share=1.0, noise=0.0, largest_error=0.0, precision="fp32", n=10)
    assert found.holds


def test_classes_that_differ_and_the_largest_error_are_counted_over_all_batches() -> None:
    found = agreement(BODY, logits, [IMAGES_BCHW[:6], IMAGES_BCHW[6:]], Wrong(), CPU)
    # Row 8 of features (-1, 1) became (1, 1): the difference has norm 2, the row sqrt 2.
    assert (found.share, found.n, found.precision) == (0.8, 10, "bf16")
    assert found.largest_error == pytest.approx(2**0.5)
    assert not found.holds


@pytest.mark.parametrize(("share", "holds"), [(0.9949, False), (0.995, True)])
def test_the_rule_is_199_of_200(share: float, holds: bool) -> None:
    assert Agreement(share, 0.0, 0.0, "bf16", 200).holds == holds


def test_no_images_are_no_agreement() -> None:
    with pytest.raises(ValueError, match="no images"):
        agreement(BODY, logits, [], Eager(), CPU)


def test_noise_is_the_error_by_the_spread_and_a_common_shift_is_none() -> None:
    expected_ND = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert noise(expected_ND + 3.0, expected_ND) == 0.0
    assert noise(expected_ND + torch.tensor([[0.0, 0.1], [0.0, -0.1]]), expected_ND) == pytest.approx(0.1)
    assert noise(torch.ones(2, 2), torch.ones(2, 2)) == 0.0
    assert noise(torch.tensor([[1.0, 1.0], [1.0, 2.0]]), torch.ones(2, 2)) == 1.0


class Cancelling(nn.Module):
    """Adds a number to every pixel and takes it away again."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return (images_BCHW + self.number - self.number).flatten(1)


@pytest.mark.parametrize(("number", "precision"), [(1.0, "bf16"), (64.0, "fp32")])
def test_a_body_that_rounding_hurts_runs_in_float32_and_says_so(number: float, precision: str) -> None:
    # bfloat16 keeps eight bits: beside 64 a pixel is rounded to halves, beside 1 to 128ths.
    images_BCHW = torch.zeros(12, 1, 4, 4)
    bf16 = Device("cpu", "bf16", 1)
    assert Eager().load(Cancelling(number), images_BCHW, bf16).precision == "bf16"
    loaded = guarded(Eager(), Cancelling(number), images_BCHW, bf16)
    assert loaded.precision == precision
    assert ("because bf16 changes the features by" in loaded.detail) == (precision == "fp32")
    assert guarded(Eager(), Cancelling(number), images_BCHW, CPU).precision == "fp32"
