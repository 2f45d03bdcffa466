"""One network of each kind through the core: the declaration is true to the forward and the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import nn

import xzoo
from xzoo.model import classifier as classifiers

FAST = ("alexnet", "googlenet", "resnet18", "squeezenet1_1", "mobilenet_v3_small", "mnasnet0_5", "convgap", "cnn")
SLOW = (
    *("densenet121", "vgg11_bn", "inception_v3", "efficientnet_b0", "efficientnet_v2_s", "mobilenet_v2", "shufflenet_v2_x0_5"),
    *("regnet_y_400mf", "convnext_tiny", "vit_b_32", "swin_t", "swin_v2_t", "maxvit_t", "convgap-pool4"),
)


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_a_frozen_body_is_a_fixed_function_and_a_tuned_one_learns_everywhere(
    name: str, draw: Callable[[str, int], nn.Module], zoo: Mapping[str, xzoo.Backbone]
) -> None:
    backbone = zoo[name]
    size = backbone.preprocess.shape if backbone.fixed_size or backbone.min_size > 96 else (96, 96)
    network = backbone.build() if name in {"swin_t", "swin_v2_t", "maxvit_t"} else draw(name, 0)
    classifier = classifiers.build(network, backbone, 3, seed=0, size=size)
    images_BCHW = torch.randn(2, backbone.preprocess.num_channels, *size, generator=torch.Generator().manual_seed(0))

    classifier.learn({})
    with torch.no_grad():
        logits_BK = classifier(images_BCHW)
        assert torch.equal(classifier(images_BCHW), logits_BK)
        assert torch.equal(classifier.logits_of(classifier.features(images_BCHW)), logits_BK)

    classifier.learn(dict.fromkeys(classifier.stages, 1.0))
    logits_BK, auxiliaries = classifier.outputs(images_BCHW)
    assert len(auxiliaries) == len(backbone.auxiliary)
    total = torch.stack([logits_BK.sum(), *(weight * auxiliary_BK.sum() for weight, auxiliary_BK in auxiliaries)]).sum()
    torch.autograd.backward(total)
    assert [key for key, parameter in classifier.network.named_parameters() if parameter.grad is None] == []
