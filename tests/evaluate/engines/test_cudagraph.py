"""Recorded work on CUDA. Skipped where there is no device."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from xzoo.evaluate.engines.cudagraph import CudaGraph
from xzoo.evaluate.engines.eager import Eager
from xzoo.train.device import Device

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]


def test_a_recorded_network_gives_what_the_eager_one_gives_for_any_number_of_images() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images_BCHW = torch.randn(9, 3, 16, 16, device="cuda").contiguous(memory_format=torch.channels_last)
    for precision in ("fp32", "bf16"):
        device = Device("cuda", precision, 1)
        eager = Eager().load(module, images_BCHW[:4], device)
        recorded = CudaGraph().load(module, images_BCHW[:4], device)
        for num_images in (1, 4, 9):
            found = recorded(images_BCHW[:num_images])
            assert torch.allclose(found, eager(images_BCHW[:num_images]), rtol=1e-2, atol=1e-2)
        first = recorded(images_BCHW[:4])
        kept = first.clone()
        recorded(images_BCHW[4:8])
        assert torch.equal(first, kept)
