"""Pooling to sides that do not divide those before it is the same as products with constants, and goes into ONNX."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from xzoo.evaluate.pooling import FixedPooling, with_fixed_pooling, with_repeating_pooling


@pytest.mark.parametrize(("before", "after"), [((4, 4), (7, 7)), ((13, 5), (6, 3)), ((3, 8), (6, 6)), ((7, 7), (7, 7))])
def test_means_over_windows_are_those_of_torch(before: tuple[int, int], after: tuple[int, int]) -> None:
    images_BCHW = torch.randn(2, 3, *before, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(FixedPooling(before, after)(images_BCHW), nn.AdaptiveAvgPool2d(after)(images_BCHW), atol=1e-6)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(6), nn.AdaptiveAvgPool2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


def test_only_what_the_exporter_refuses_is_replaced() -> None:
    images_BCHW = torch.rand(2, 3, 12, 12)
    expected = network()(images_BCHW)
    found = with_fixed_pooling(network(), images_BCHW)
    assert [type(part).__name__ for part in found.children()] == [
        "Conv2d", "FixedPooling", "AdaptiveAvgPool2d", "AdaptiveAvgPool2d", "Flatten",
    ]  # fmt: skip
    assert torch.allclose(found(images_BCHW), expected, atol=1e-6)


@pytest.mark.parametrize("side", [8, 9])
def test_pooling_that_repeats_keeps_the_state_dict_and_is_the_identity_where_it_changes_no_side(side: int) -> None:
    images_BCHW = torch.rand(2, 3, side, side, requires_grad=True)
    plain, found = network(), with_repeating_pooling(network(), torch.zeros(1, 3, side, side))
    first = "Identity" if side == 8 else "FixedPooling"
    assert [type(part).__name__ for part in found.children()] == [
        "Conv2d", first, "FixedPooling", "AdaptiveAvgPool2d", "Flatten",
    ]  # fmt: skip
    assert found.state_dict().keys() == plain.state_dict().keys()
    assert torch.allclose(found(images_BCHW), plain(images_BCHW), atol=1e-6)
    with_one = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(side - 2))
    expected = with_one(images_BCHW)
    assert torch.equal(with_repeating_pooling(with_one, images_BCHW)(images_BCHW), expected)


def test_such_a_network_goes_into_onnx() -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from xzoo.errors import UnavailableError
    from xzoo.evaluate.engines.onnxruntime import exported

    images_BCHW = torch.rand(2, 3, 12, 12)
    with pytest.raises(UnavailableError, match="output size that are not factor of input size"):
        exported(network().eval(), images_BCHW)
    session = onnxruntime.InferenceSession(exported(with_fixed_pooling(network().eval(), images_BCHW), images_BCHW))
    (found,) = session.run(None, {"images": images_BCHW.numpy()})
    assert torch.allclose(torch.from_numpy(found), network()(images_BCHW), atol=1e-6)
