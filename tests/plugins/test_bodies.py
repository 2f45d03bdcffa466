"""Bodies of first-party backbones as plain modules, and their batch norms folded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, fx, nn

import xzoo
from xzoo.model import classifier as classifiers
from xzoo.model.body import body_of, whole_of
from xzoo.model.classifier import Classifier
from xzoo.model.fusion import fused


class Expected(NamedTuple):
    """Batch norms that are folded, and those that stay because something stands between them and a convolution."""

    folded: int
    left: int = 0


# One of each family, the cheapest.
FAMILIES = {
    "alexnet": Expected(0),
    "convnext_tiny": Expected(0),
    "densenet121": Expected(59, 62),
    "efficientnet_b0": Expected(49),
    "googlenet": Expected(57),
    "inception_v3": Expected(94),
    "mnasnet0_5": Expected(52),
    "mobilenet_v3_small": Expected(34),
    "regnet_y_400mf": Expected(53),
    "resnet18": Expected(20),
    "resnet50": Expected(53),
    "shufflenet_v2_x0_5": Expected(56),
    "squeezenet1_1": Expected(0),
    "swin_t": Expected(0),
    "vgg11_bn": Expected(8),
    "vit_b_32": Expected(0),
}
# In float32 a rounding is 6e-8 of a value; up to a hundred layers, one after the other, add theirs.
ROUNDING = 1e-5


@pytest.fixture
def case(name: str, zoo: Mapping[str, xzoo.Backbone], draw: Callable[[str, int], nn.Module]) -> tuple[Classifier, Tensor]:
    backbone = zoo[name]
    preprocess = backbone.weights[0].preprocess
    size = preprocess.shape if backbone.fixed_size else (max(64, backbone.min_size),) * 2
    made = classifiers.build(draw(name, 0), backbone, 2, seed=0, size=size)
    made.network.eval()
    return made, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_a_body_is_exactly_the_features_and_a_fused_one_differs_by_rounding(name: str, case: tuple[Classifier, Tensor]) -> None:
    classifier, images_BCHW = case
    expected, features = FAMILIES[name], classifier.features(images_BCHW)
    body = body_of(classifier)
    assert torch.equal(body(images_BCHW), features)
    folded = fused(body)
    assert isinstance(folded.network, fx.GraphModule)
    assert (folded.num_folded, norms(folded)) == expected
    assert classifier.backbone.head.path not in dict(folded.network.named_modules())
    assert float((folded(images_BCHW) - features).abs().max() / features.abs().max()) < ROUNDING


@pytest.mark.parametrize("name", ["googlenet", "squeezenet1_1", "vit_b_32", "densenet121"])
@torch.no_grad()
def test_the_whole_network_is_exactly_the_classifier_and_a_fused_one_differs_by_rounding(case: tuple[Classifier, Tensor]) -> None:
    classifier, images_BCHW = case
    logits_BK, whole = classifier(images_BCHW), whole_of(classifier)
    assert torch.equal(whole(images_BCHW), logits_BK)
    assert float((fused(whole)(images_BCHW) - logits_BK).abs().max() / logits_BK.abs().max()) < ROUNDING
