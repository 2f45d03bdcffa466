from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import xzoo
from xzoo_torchvision import catalogue, generate

PLUGINS = Path(catalogue.__file__).parents[1]


def test_declaring_every_backbone_imports_no_torch(names_in_pyproject: Mapping[str, str]) -> None:
    modules = [module for module in set(names_in_pyproject.values()) if not module.startswith("xzoo_timm")]
    code = f"""
import importlib, sys
count = sum(len(list(importlib.import_module(name).xzoo_backbones())) for name in {modules!r})
print(count, [name for name in ("torch", "torchvision", "numpy") if name in sys.modules])
"""
    environment = {"PYTHONPATH": f"{PLUGINS}:{Path(xzoo.__file__).parents[1]}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    count, heavy = done.stdout.split(maxsplit=1)
    assert int(count) == sum(not module.startswith("xzoo_timm") for module in names_in_pyproject.values())
    assert heavy.strip() == "[]"


def test_plugins_import_nothing_of_xzoo_but_its_face() -> None:
    sources = [path.read_text("utf-8") for path in PLUGINS.glob("xzoo_*/*.py")]
    assert not [line for text in sources for line in re.findall(r"^\s*(?:from|import) xzoo\.\S+.*$", text, re.MULTILINE)]


def test_every_name_of_a_plugin_is_an_entry_point_that_leads_to_it(names_in_pyproject: Mapping[str, str]) -> None:
    found: dict[str, str] = {}
    for path in (*PLUGINS.glob("xzoo_torchvision/*.py"), *PLUGINS.glob("xzoo_classic/*.py")):
        module = f"{path.parent.name}.{path.stem}"
        if "def xzoo_backbones" in path.read_text("utf-8"):
            found |= {backbone.name: module for backbone in sys.modules[module].xzoo_backbones()}
    ours = {
        name: module for name, module in names_in_pyproject.items() if module.startswith(("xzoo_torchvision.", "xzoo_classic."))
    }
    assert found == ours


def test_every_classification_network_of_torchvision_is_declared(zoo: Mapping[str, xzoo.Backbone]) -> None:
    from torchvision import models

    assert set(models.list_models(module=models)) <= set(zoo)


def test_the_table_of_weights_is_what_the_installed_torchvision_publishes() -> None:
    assert json.loads(json.dumps(generate.published_table())) == catalogue.table()


def test_the_table_on_disk_is_what_the_generator_prints() -> None:
    text = Path(catalogue.__file__).with_name("weights.json").read_text("utf-8")
    assert text == "\n".join(generate.lines(generate.published_table())) + "\n"


def test_every_published_entry_is_offered_once(zoo: Mapping[str, xzoo.Backbone]) -> None:
    from torchvision import models

    published = {entry.url for name in models.list_models(module=models) for entry in models.get_model_weights(name)}
    offered = [weights.url for backbone in zoo.values() for weights in backbone.weights]
    assert len(offered) == len(set(offered))
    assert published - set(offered) == {models.VGG16_Weights.IMAGENET1K_FEATURES.url}


def test_the_first_weights_are_version_1_where_it_exists(backbone: xzoo.Backbone) -> None:
    names = [weights.name for weights in backbone.weights]
    assert "IMAGENET1K_V1" not in names[1:]


def test_published_weights_carry_what_a_reader_needs(backbone: xzoo.Backbone) -> None:
    for weights in backbone.weights:
        assert weights.sha256
        assert weights.trained_on == "ImageNet-1k"
        assert weights.licence == ("CC-BY-NC-4.0" if "SWAG" in weights.name else "BSD-3-Clause")
        assert weights.top1 is not None
        assert weights.top5 is not None
        assert 50 < weights.top1 < weights.top5 < 100


def test_a_declaration_says_what_the_network_is(backbone: xzoo.Backbone) -> None:
    assert backbone.summary
    assert "\n" not in backbone.summary
    assert backbone.licence
    assert backbone.paper.startswith("https://arxiv.org/abs/") == bool(backbone.weights)
    assert backbone.freeze == ("frozen" if backbone.weights else "finetune")
