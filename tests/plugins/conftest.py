"""Every test that asks for a `backbone` runs once for each first-party one; `network` is it, built without memory."""

from __future__ import annotations

import functools
import importlib
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import xzoo

ROOT = Path(__file__).parents[2]


class OnMeta(TorchFunctionMode):
    """Put new parameters and buffers on the meta device, and leave alone the arithmetic that RegNet's builder does on the way."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        device = {"device": "meta"} if func in {torch.empty, torch.zeros, torch.ones} else {}
        return func(*args, **((kwargs or {}) | device))


@functools.cache
def entry_points() -> Mapping[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return dict(project["entry-points"]["xzoo.backbones"])


@functools.cache
def declared() -> Mapping[str, xzoo.Backbone]:
    modules = [importlib.import_module(module) for module in dict.fromkeys(entry_points().values())]
    first_party = [module for module in modules if module.__name__.startswith(("xzoo_torchvision.", "xzoo_classic."))]
    return {backbone.name: backbone for module in first_party for backbone in module.xzoo_backbones()}


@functools.cache
def built(name: str) -> nn.Module:
    with OnMeta():
        return declared()[name].build()


def drawn(name: str, seed: int) -> nn.Module:
    """Return the network with numbers of order one in every layer: torchvision's start of GoogLeNet lets no signal through."""
    with OnMeta():
        network = declared()[name].build()
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if not tensor.is_floating_point():
                tensor.zero_()
            elif tensor.ndim > 1:
                tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5, generator=generator)
            else:
                tensor.uniform_(0.9, 1.1, generator=generator) if key.endswith(("weight", "var")) else tensor.uniform_(
                    -0.1, 0.1, generator=generator
                )
    return network


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backbone" in metafunc.fixturenames:
        metafunc.parametrize("backbone", declared().values(), ids=declared().keys())


@pytest.fixture
def network(backbone: xzoo.Backbone) -> nn.Module:
    return built(backbone.name)


@pytest.fixture
def without_memory() -> TorchFunctionMode:
    return OnMeta()


@pytest.fixture
def draw() -> Callable[[str, int], nn.Module]:
    return drawn


@pytest.fixture(scope="session")
def bare() -> Callable[[str], nn.Module]:
    return built


@pytest.fixture(scope="session")
def zoo() -> Mapping[str, xzoo.Backbone]:
    return declared()


@pytest.fixture(scope="session")
def names_in_pyproject() -> Mapping[str, str]:
    return entry_points()
