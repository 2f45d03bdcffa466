"""Small networks of many families, declared by the catalogue; each is built once and given a head of two classes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

import xzoo
from xzoo.model import classifier as classifiers
from xzoo.model.classifier import Classifier
from xzoo.model.heads import seeded
from xzoo_timm import catalogue

SMALL = (
    "test_vit",
    "test_resnet",
    "test_efficientnet",
    "test_byobnet",
    "test_convnext",
    "test_nfnet",
    "coat_lite_tiny",
    "crossvit_tiny_240",
    "deit_tiny_distilled_patch16_224",
    "dla46_c",
    "efficientvim_m1_dist",
    "levit_128s",
    "mobilenetv3_small_050",
    "regnetx_002",
    "repvit_m0_9",
    "resnetv2_18",
    "xcit_nano_12_p16_224",
)
"""With one head, two and eight, linear and a convolution; blocks, stages, series and bare parameters."""


@functools.cache
def made(name: str) -> Classifier:
    backbone = catalogue.get(name)
    side = backbone.preprocess.shape if backbone.fixed_size else (max(64, backbone.min_size),) * 2
    with seeded(0, "start"):
        network = backbone.build()
    return classifiers.build(network, backbone, 2, seed=0, size=side)


@pytest.fixture(params=SMALL)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def declaration(name: str) -> xzoo.Backbone:
    return catalogue.get(name)


@pytest.fixture
def row(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = catalogue.table()["networks"][name]
    return found


@pytest.fixture
def classifier(name: str) -> Classifier:
    return made(name)


@pytest.fixture
def images(classifier: Classifier) -> Tensor:
    preprocess = classifier.backbone.preprocess
    side = preprocess.shape if classifier.backbone.fixed_size else (max(64, classifier.backbone.min_size),) * 2
    return torch.randn(2, preprocess.num_channels, *side, generator=torch.Generator().manual_seed(1))
