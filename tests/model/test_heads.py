from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.errors import PluginError
from xzoo.model.heads import ConvHead, LinearHead, replace_head, run_after, seeded


def network() -> nn.Sequential:
    convolution = nn.Conv2d(3, 6, (3, 1), stride=2, padding=(1, 0), dilation=(1, 2), bias=False)
    return nn.Sequential(convolution, nn.ReLU(), nn.Sequential(nn.Flatten(), nn.Linear(24, 10)))


@pytest.mark.parametrize(
    ("head", "plain", "shape"),
    [(LinearHead, nn.Linear, (4, 6)), (lambda i, o: ConvHead(i, o, 1), lambda i, o: nn.Conv2d(i, o, 1), (4, 6, 2, 2))],
)
def test_a_head_computes_in_float32_where_a_plain_layer_would_round(
    head: Callable[[int, int], nn.Module], plain: Callable[[int, int], nn.Module], shape: tuple[int, ...]
) -> None:
    features = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    ours, theirs = head(6, 3), plain(6, 3)
    theirs.load_state_dict(ours.state_dict())
    exact = theirs(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert theirs(features).dtype == torch.bfloat16
        assert torch.equal(ours(features), exact)
        assert ours(features.bfloat16()).dtype == torch.float32


def test_a_new_linear_head_has_the_old_ones_inputs_and_bias() -> None:
    for has_bias in (True, False):
        net = nn.Sequential(nn.Flatten(), nn.Linear(24, 10, bias=has_bias))
        replace_head(net, xzoo.ReplaceLinear("1"), 3, "net")
        new = net[1]
        assert isinstance(new, LinearHead)
        assert (new.in_features, new.out_features, "bias" in dict(new.named_parameters())) == (24, 3, has_bias)


def test_a_new_convolution_has_the_old_ones_shape() -> None:
    net, images_BCHW = network(), torch.randn(2, 3, 8, 8)
    before = net.get_submodule("0")(images_BCHW)
    replace_head(net, xzoo.ReplaceConv("0"), 2, "net")
    new = net[0]
    assert isinstance(new, ConvHead)
    assert (new.kernel_size, new.stride, new.padding, new.dilation) == ((3, 1), (2, 2), (1, 0), (1, 2))
    assert "bias" not in dict(new.named_parameters())
    assert new(images_BCHW).shape == (2, 2, *before.shape[2:])


def test_a_function_makes_the_head_from_the_old_one() -> None:
    seen: list[Any] = []

    def make(old: nn.Module, num_outputs: int) -> nn.Module:
        seen.append((old, num_outputs))
        return nn.Identity()

    net = network()
    old = net[2]
    replace_head(net, xzoo.ReplaceHead("2", make=make), 4, "net")
    assert seen == [(old, 4)]
    assert isinstance(net[2], nn.Identity)


@pytest.mark.parametrize(
    ("head", "text", "remedy"),
    [
        (xzoo.ReplaceLinear("2.7"), "net: there is no module '2.7' to replace", "the last ones are 2.1 (Linear), 0 (Conv2d)"),
        (xzoo.ReplaceLinear("0"), "net: '0' is Conv2d, not a linear layer", "ReplaceConv or ReplaceHead"),
        (xzoo.ReplaceConv("2.1"), "net: '2.1' is Linear, not a convolution", "ReplaceLinear or ReplaceHead"),
    ],
)
def test_a_path_that_holds_something_else_is_refused(head: Any, text: str, remedy: str) -> None:
    with pytest.raises(PluginError) as caught:
        replace_head(network(), head, 2, "net")
    assert caught.value.text == text
    assert remedy in caught.value.remedy


def test_what_stands_behind_the_head_runs_in_the_declared_order() -> None:
    class Halved(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.clamp(max=4) / 2

    net = nn.ModuleDict({"halved": Halved(), "pool": nn.AdaptiveAvgPool2d(1)})
    x = torch.tensor([[[[2.0, 8.0]]], [[[4.0, 4.0]]]])
    assert run_after(net, ("halved", "pool", "flatten"), x).tolist() == [[1.5], [2.0]]
    assert run_after(net, ("pool", "halved", "flatten"), x).tolist() == [[2.0], [2.0]]
    assert run_after(net, ("halved", lambda x: x[:, 0, 0]), x).tolist() == [[1.0, 2.0], [2.0, 2.0]]
    assert run_after(net, (), x) is x


def test_draws_follow_from_the_words_alone_and_leave_the_callers_stream() -> None:
    def drawn(*words: object) -> float:
        with seeded(*words):
            return torch.rand(()).item()

    torch.manual_seed(3)
    expected = torch.rand(()).item()
    torch.manual_seed(3)
    assert len({drawn(0, "head"), drawn(1, "head"), drawn(0, "epoch")}) == 3
    assert drawn(0, "head") == drawn(0, "head")
    assert torch.rand(()).item() == expected
