"""plugins/example is a distribution of its own, as a stranger would publish it; torchxrayvision need not be installed here."""

from __future__ import annotations

import ast
import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import xzoo

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "plugins" / "example"
PLUGIN = EXAMPLE / "src" / "xzoo_xrv" / "__init__.py"


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("xzoo_xrv", PLUGIN)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def declared(plugin: ModuleType) -> xzoo.Backbone:
    [found] = plugin.xzoo_backbones()
    assert isinstance(found, xzoo.Backbone)
    return found


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def test_it_is_no_part_of_our_wheel() -> None:
    packages = project(ROOT)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert not [package for package in packages if "example" in package]


def test_its_entry_point_names_what_it_declares(declared: xzoo.Backbone) -> None:
    assert project(EXAMPLE)["project"]["entry-points"]["xzoo.backbones"] == {declared.name: "xzoo_xrv"}


def test_it_takes_one_channel_from_minus_1024_to_1024(declared: xzoo.Backbone) -> None:
    for preprocess in (declared.preprocess, *(weights.preprocess for weights in declared.weights)):
        assert preprocess.num_channels == 1
        [mean], [deviation] = preprocess.mean, preprocess.std
        assert [(pixel / 255 - mean) / deviation for pixel in (0, 255)] == [-1024, 1024]


def test_a_plugin_is_about_thirty_lines() -> None:
    tree = ast.parse(PLUGIN.read_text("utf-8"))
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    documented = {line for node in strings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    lines = enumerate(PLUGIN.read_text("utf-8").splitlines(), 1)
    assert len([line for number, line in lines if line.strip() and number not in documented]) <= 40
