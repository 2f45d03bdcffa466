"""Features come from the backbone that is named, from the smallest that lies here, or from traits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xzoo
from xzoo.audit import embedding
from xzoo.data.pack import Pack
from xzoo.model import fetch
from xzoo.zoo.registry import Registry


def test_a_backbones_features_are_those_of_its_whole_body(tiny: xzoo.Backbone, pack: Pack) -> None:
    choice = Registry.installed().get(tiny)
    found = embedding.by_backbone(choice, pack, np.array([3, 5]), "cpu")
    assert found.name == choice.label
    assert found.values_ND.shape == (40, 8)
    assert np.array_equal(found.of(np.array([5, 3])), found.values_ND[[5, 3]])
    again = embedding.by_backbone(choice, pack, np.array([3, 5]), "cpu")
    assert np.array_equal(found.values_ND, again.values_ND)


def test_of_many_images_those_asked_for_alone_are_seen(tiny: xzoo.Backbone, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Registry.installed().get(tiny)
    every = embedding.by_backbone(choice, pack, np.arange(40), "cpu")
    monkeypatch.setattr(embedding, "MOST_IN_VIEW", 10)
    some = embedding.by_backbone(choice, pack, np.array([1, 30, 39]), "cpu")
    assert some.values_ND.shape == (3, 8)
    assert np.allclose(some.of(np.array([30, 39])), every.of(np.array([30, 39])), rtol=1e-3, atol=1e-5)


def test_the_default_is_the_smallest_whose_weights_lie_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    registry = Registry.installed()
    assert embedding.default_backbone(registry) is None
    for name in ("resnet50", "resnet18", "vgg16"):
        path = fetch.where(registry.get(name))
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
    chosen = embedding.default_backbone(registry)
    assert chosen is not None
    assert chosen.name == "resnet18"


def test_traits_are_features_too() -> None:
    traits_NT = np.arange(12, dtype=np.float32).reshape(4, 3)
    found = embedding.by_traits(traits_NT, np.array([1, 3]))
    assert found.of(np.array([3])).tolist() == [[9, 10, 11]]
    assert found.name == "traits"
