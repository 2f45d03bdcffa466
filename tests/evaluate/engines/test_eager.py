from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from xzoo.evaluate.engines.eager import Eager, prepared
from xzoo.train.device import Device

IMAGES_BCHW = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    torch.manual_seed(0)
    stem = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.BatchNorm2d(8)]
    return nn.Sequential(*stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


def device(precision: str) -> Device:
    return Device("cpu", precision, torch.get_num_threads())


# Eight bits of mantissa round by at most 1/256, at each of a few layers.
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 2e-2)])
@torch.no_grad()
def test_outputs_are_float32_and_near_those_of_the_module_for_any_number_of_images(precision: str, tolerance: float) -> None:
    module = network().eval()
    loaded = Eager().load(module, IMAGES_BCHW, device(precision))
    assert loaded.precision == precision
    for num_images in (1, 2, 5):
        found, expected = loaded(IMAGES_BCHW[:num_images]), module(IMAGES_BCHW[:num_images])
        assert found.dtype == torch.float32
        assert not found.requires_grad
        assert float((found - expected).abs().max() / expected.abs().max()) < tolerance


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_loaded_twice_gives_the_same_bytes(precision: str) -> None:
    first, second = (Eager().load(network(), IMAGES_BCHW, device(precision)) for _ in range(2))
    assert torch.equal(first(IMAGES_BCHW), second(IMAGES_BCHW))
    assert torch.equal(first(IMAGES_BCHW), first(IMAGES_BCHW))


def test_weights_are_bfloat16_and_the_norms_that_are_left_stay_in_float32() -> None:
    ready, precision, detail = prepared(network(), IMAGES_BCHW, device("bf16"))
    assert precision == "bf16"
    assert detail.startswith("1 batch norms folded, bf16 weights")
    kinds = {type(part): {tensor.dtype for tensor in part.parameters()} for part in ready.modules()}
    assert kinds[nn.Conv2d] == kinds[nn.Linear] == {torch.bfloat16}
    assert kinds[nn.BatchNorm2d] == {torch.float32}


class Exact(nn.Module):
    """Computes what torch has in no half precision."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        found: Tensor = torch.linalg.det(images_BCHW)
        return found


def test_a_module_that_bfloat16_cannot_run_runs_in_float32_and_says_why() -> None:
    loaded = Eager().load(Exact(), IMAGES_BCHW, device("bf16"))
    assert loaded.precision == "fp32"
    assert "because in bf16: " in loaded.detail
    assert torch.equal(loaded(IMAGES_BCHW), torch.linalg.det(IMAGES_BCHW))


def test_linear_layers_long_enough_to_end_the_process_stay_in_float32() -> None:
    # As the mlp's first layer: in bfloat16, on one thread, 24 images are a division by zero inside torch.
    module = nn.Sequential(nn.Flatten(), nn.Linear(65536, 32))
    images_BCHW = torch.ones(24, 1, 256, 256)
    loaded = Eager().load(module, images_BCHW, device("bf16"))
    assert loaded.precision == "fp32"
    assert "a linear layer of 65536 inputs can end the process" in loaded.detail
    assert loaded(images_BCHW).shape == (24, 32)
