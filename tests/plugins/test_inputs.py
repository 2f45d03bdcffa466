from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

import xzoo

# Measured with batches of two, in train and eval mode.
SMALLEST = {"alexnet": 63, "googlenet": 15, "resnet18": 1, "resnet34": 1, "resnet50": 1, "densenet121": 29, "vgg16": 32}
LIMITED = {"inception_v3": 299, "squeezenet1_0": 21, "squeezenet1_1": 17, "convnext_tiny": 32, "swin_t": 4, "swin_v2_t": 4}


def try_both_modes(network: nn.Module, num_channels: int, side: int) -> None:
    """Run two images through the network on the meta device, where shapes are checked and nothing is computed."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors.items()}
    images_BCHW = torch.empty(2, num_channels, side, side, device="meta")
    with torch.no_grad():
        for training in (True, False):
            torch.func.functional_call(network.train(training), shapes, (images_BCHW,))


@pytest.mark.parametrize(("name", "side"), (SMALLEST | LIMITED).items())
def test_the_smallest_input_works_and_a_smaller_one_does_not(name: str, side: int, zoo: Mapping[str, xzoo.Backbone]) -> None:
    backbone = zoo[name]
    with torch.device("meta"):
        network = backbone.build()
    assert backbone.min_size == side
    try_both_modes(network, 3, side)
    if side > 1:
        with pytest.raises(RuntimeError):
            try_both_modes(network, 3, side - 1)


@pytest.mark.parametrize("name", ["mlp", "cnn", "vit_b_32", "maxvit_t"])
def test_a_fixed_size_is_the_only_one_that_works(name: str, zoo: Mapping[str, xzoo.Backbone]) -> None:
    backbone = zoo[name]
    with torch.device("meta"):
        network = backbone.build()
    assert backbone.fixed_size
    side, num_channels = backbone.preprocess.shape[0], backbone.preprocess.num_channels
    assert backbone.min_size == side
    try_both_modes(network, num_channels, side)
    with pytest.raises((RuntimeError, AssertionError)):
        try_both_modes(network, num_channels, side + 32)


@pytest.mark.parametrize(("name", "sides"), [("convgap", (8, 100, 256)), ("convgap-pool4", (64, 100, 256))])
def test_averaging_networks_take_images_of_any_size(name: str, sides: tuple[int, ...], zoo: Mapping[str, xzoo.Backbone]) -> None:
    network = zoo[name].build()
    assert not zoo[name].fixed_size
    assert zoo[name].min_size == sides[0]
    assert [tuple(network(torch.randn(2, 1, side, side)).shape) for side in sides] == [(2, 1)] * 3
    with pytest.raises(RuntimeError):
        network(torch.randn(2, 1, sides[0] - 1, sides[0] - 1))


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_a_gray_image_gives_what_torchvisions_input_transform_gives(
    name: str, draw: Callable[[str, int], nn.Module], zoo: Mapping[str, xzoo.Backbone]
) -> None:
    network = draw(name, 0).eval()
    preprocess = zoo[name].weights[0].preprocess
    assert preprocess == zoo[name].preprocess
    gray_BCHW = torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    with torch.no_grad():
        ours_BK = network(normalised(gray_BCHW, preprocess))
        untransformed_BK = network(normalised(gray_BCHW, xzoo.IMAGENET_224))
        network.transform_input = True  # type: ignore[assignment]
        theirs_BK = network(normalised(gray_BCHW, xzoo.IMAGENET_224))
    scale = theirs_BK.abs().max().item()
    torch.testing.assert_close(ours_BK, theirs_BK, rtol=0, atol=1e-4 * scale)
    assert (untransformed_BK - theirs_BK).abs().max() > 1e-2 * scale


def normalised(images_BCHW: Tensor, preprocess: xzoo.Preprocess) -> Tensor:
    mean_CHW, std_CHW = (torch.tensor(values).view(-1, 1, 1) for values in (preprocess.mean, preprocess.std))
    return (images_BCHW - mean_CHW) / std_CHW


@pytest.mark.parametrize(("name", "side"), [("googlenet", 64), ("inception_v3", 299)])
def test_auxiliary_outputs_stand_where_the_declaration_says(
    name: str, side: int, draw: Callable[[str, int], nn.Module], zoo: Mapping[str, xzoo.Backbone]
) -> None:
    backbone, network = zoo[name], draw(name, 0).train()
    caught: dict[str, Tensor] = {}
    for auxiliary in backbone.auxiliary:
        network.get_submodule(auxiliary.path).register_forward_hook(
            lambda _module, _inputs, output, path=auxiliary.path: caught.update({path: output})
        )
    outputs = network(torch.randn(2, 3, side, side))
    assert len(outputs) == 1 + len(backbone.auxiliary)
    for auxiliary in backbone.auxiliary:
        assert outputs[auxiliary.output] is caught[auxiliary.path]
    assert isinstance(network.eval()(torch.randn(2, 3, 80, 80)), Tensor)


def test_the_small_networks_are_those_of_the_report(zoo: Mapping[str, xzoo.Backbone]) -> None:
    mlp, cnn = zoo["mlp"].build(), zoo["cnn"].build()
    assert isinstance(mlp, nn.Sequential)
    assert isinstance(cnn, nn.Sequential)
    assert [tuple(layer.weight.shape) for layer in mlp if isinstance(layer, nn.Linear)] == [
        (32, 65536),
        (32, 32),
        (32, 32),
        (1, 32),
    ]
    assert [type(layer).__name__ for layer in cnn][:6] == ["Conv2d", "ReLU", "MaxPool2d"] * 2
    assert mlp(torch.randn(2, 1, 256, 256)).shape == cnn(torch.randn(2, 1, 256, 256)).shape == (2, 1)
