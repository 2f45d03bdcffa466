from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from xzoo.model.fusion import fused

IMAGES_BCHW = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def norm(num_channels: int = 4) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(num_channels)
    for tensor in (made.weight, made.bias, made.running_mean, made.running_var):
        assert tensor is not None
        nn.init.uniform_(tensor.data, 0.5, 2)
    return made


class Layers(nn.Module):
    """A convolution, a batch norm and a second convolution, put together in different ways."""

    def __init__(self, how: Callable[[Layers, Tensor], Any]) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, bias=False), nn.Conv2d(4, 4, 3)
        self.norm, self.other = norm(), norm()
        self.how = how

    def forward(self, images_BCHW: Tensor) -> Any:
        return self.how(self, images_BCHW)


def plain(m: Layers, x: Tensor) -> Any:
    return m.norm(m.first(x)).relu()


def read_twice(m: Layers, x: Tensor) -> Any:
    found = m.first(x)
    return m.norm(found) + found


def called_twice(m: Layers, x: Tensor) -> Any:
    return m.norm(m.second(m.first(x))) + m.other(m.second(m.first(x))) + m.second(m.first(x))


def weight_read(m: Layers, x: Tensor) -> Any:
    return m.norm(m.first(x)) * m.first.weight.sum()


def pre_activation(m: Layers, x: Tensor) -> Any:
    return m.second(m.norm(m.first(x).relu()))


def by_values(m: Layers, x: Tensor) -> Any:
    return m.norm(m.first(x)) if x.sum() > -1e9 else x


@pytest.mark.parametrize(
    ("how", "num_folded"),
    [(plain, 1), (read_twice, 0), (called_twice, 2), (weight_read, 1), (pre_activation, 0), (by_values, 0)],
)
@torch.no_grad()
def test_a_norm_is_folded_where_it_alone_reads_a_convolution_and_the_output_stays(
    how: Callable[[Layers, Tensor], Any], num_folded: int
) -> None:
    module = Layers(how).eval()
    expected = module(IMAGES_BCHW)
    folded = fused(module)
    assert folded.num_folded == num_folded
    # A value passes a handful of float32 operations, each rounding by 6e-8 of it.
    assert torch.allclose(folded(IMAGES_BCHW), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(module(IMAGES_BCHW), expected)


class Scaled(nn.Conv2d):
    """Normalises its own weight, so that a factor folded into it would be lost."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        found: Tensor = self._conv_forward(input, self.weight / self.weight.norm(), self.bias)
        return found


@torch.no_grad()
def test_layers_that_do_something_of_their_own_are_left() -> None:
    hooked = nn.Conv2d(3, 4, 3)
    hooked.register_forward_hook(lambda _module, _inputs, output: output * 2)
    for convolution in (Scaled(3, 4, 3), hooked):
        module = nn.Sequential(convolution, norm()).eval()
        folded = fused(module)
        assert folded.num_folded == 0
        assert torch.equal(folded(IMAGES_BCHW), module(IMAGES_BCHW))
    unfixed = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False))
    assert fused(unfixed).num_folded == 0


@torch.no_grad()
def test_a_norm_of_timm_keeps_its_activation() -> None:
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.norm_act import BatchNormAct2d

    activated = BatchNormAct2d(4, act_layer=nn.ReLU)
    activated.load_state_dict(norm().state_dict())
    module = nn.Sequential(Conv2dSame(3, 4, 3, stride=2), activated).eval()
    expected, folded = module(IMAGES_BCHW), fused(module)
    assert folded.num_folded == 1
    assert bool((expected == 0).any())
    assert torch.allclose(folded(IMAGES_BCHW), expected, rtol=1e-5, atol=1e-5)


def test_a_fused_copy_is_in_eval_mode_and_the_original_is_left_as_it_was() -> None:
    module = Layers(plain)
    assert not any(part.training for part in fused(module).modules())
    assert module.training
    assert module.first.weight.requires_grad
