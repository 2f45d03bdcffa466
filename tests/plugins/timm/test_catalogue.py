"""The catalogue against the installed timm's own registry; nothing is built."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import pytest

from xzoo.errors import UsageError
from xzoo.zoo.registry import Registry
from xzoo_timm import catalogue, generate
from xzoo_timm.rows import USUAL, configuration

TABLE = catalogue.table()
same_timm = pytest.mark.skipif(
    TABLE["timm"] != importlib.metadata.version("timm"), reason=f"the catalogue is of timm {TABLE['timm']}"
)


def expanded(row: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    return {**USUAL, **row["input"], **entry}


def test_every_network_of_the_catalogue_can_be_declared() -> None:
    names = catalogue.names()
    assert len(names) > 1300
    for name in names:
        backbone = catalogue.get(name)
        assert backbone.name == f"timm/{name}"
        assert backbone.params is not None
        assert backbone.gmacs
        assert all(weights.hf or weights.url for weights in backbone.weights)


@same_timm
def test_the_catalogue_holds_every_network_of_timm_that_has_a_classifier() -> None:
    timm: Any = importlib.import_module("timm")
    without = set(timm.list_models()) - set(catalogue.names())
    assert set(catalogue.names()) <= set(timm.list_models())
    assert without
    assert all(name.endswith("_enc") for name in without)


@same_timm
def test_every_published_file_is_there_with_what_timm_says_of_it() -> None:
    timm: Any = importlib.import_module("timm")
    ours: dict[str, Any] = {}
    for name, row in TABLE["networks"].items():
        for entry in row["weights"]:
            ours[f"{name}.{entry['tag']}"] = expanded(row, entry)
    assert ours.keys() == {name for name in timm.list_pretrained() if name.split(".")[0] in TABLE["networks"]}
    for name, entry in ours.items():
        config = timm.get_pretrained_cfg(name)
        said = {key: value for key, value in configuration(config).items() if key not in {"fixed", "paper"}}
        assert {key: entry[key] for key in said} == said, name
        assert entry.get("hf", f"timm/{name}" if "url" not in entry else None) == (config.hf_hub_id or None), name


@same_timm
def test_the_default_weights_are_timms(name: str) -> None:
    timm: Any = importlib.import_module("timm")
    assert catalogue.get(name).weights[0].name == timm.get_pretrained_cfg(name).tag


def test_a_tag_chooses_its_weights() -> None:
    both = Registry.installed().get("timm/resnet50@tv2_in1k")
    tagged = Registry.installed().get("timm/resnet50.tv2_in1k")
    assert both.start == tagged.start == tagged.backbone.weights[0]
    assert (both.label, tagged.label) == ("timm/resnet50@tv2_in1k", "timm/resnet50.tv2_in1k@tv2_in1k")
    assert len(both.backbone.weights) > 5
    assert len(tagged.backbone.weights) == 1
    assert tagged.start.hf == "timm/resnet50.tv2_in1k"


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("timm/resnet18.a9", "timm/resnet18 has no weights 'a9'", "it has a1_in1k, a2_in1k"),
        ("timm/resnet19", "the family 'timm' of xzoo 0.1.0 has no 'resnet19'", "did you mean resnet18"),
        ("timm/qwen3_vit_88m_enc", "has no 'qwen3_vit_88m_enc'", "did you mean qwen3_vit_88m"),
        ("timm/resnet18@a9", "backbone 'timm/resnet18' has no weights 'a9'", "it has a1_in1k, a2_in1k"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(name: str, text: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        Registry.installed().get(name)
    assert text in caught.value.text
    assert remedy in caught.value.remedy


def test_another_timm_is_told_below_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: TABLE["timm"])
    assert catalogue.note() == ""
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "9.9")
    assert catalogue.note().startswith(f"this list is of timm {TABLE['timm']}; timm 9.9 is installed")


def test_a_network_that_the_catalogue_lacks_is_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = catalogue.get("test_vit")
    monkeypatch.setattr(catalogue, "table", lambda: {"timm": "0", "networks": {}})
    seen = catalogue.get("test_vit")
    assert (seen.head, seen.params, seen.fixed_size, seen.min_size) == (
        *(declared.head, declared.params, declared.fixed_size, declared.min_size),
    )
    assert [one.name for one in seen.weights] == [one.name for one in declared.weights]


def test_a_row_is_written_as_it_is_read(name: str) -> None:
    row = TABLE["networks"][name]
    full = {
        **{"classes": 1000, "conv": False, "after": "", "fixed": False, "paper": ""},
        **row,
        "input": {**USUAL, **row["input"], "fixed": False, "paper": ""},
        "weights": [{"hf": f"timm/{name}.{entry['tag']}", **expanded(row, entry)} for entry in row["weights"]],
    }
    assert generate.briefly(name, full, generate.kept(TABLE)) == row


def test_accuracies_are_those_of_the_smallest_size(tmp_path: Any) -> None:
    path = tmp_path / "results.csv"
    path.write_text("model,img_size,top1,top1_err,top5\na.x,288,81.2,18.8,95.1\na.x,224,80.4,19.6,94.6\nb.y,224,70,30,90\n")
    assert generate.accuracies(path) == {"a.x": (80.4, 94.6), "b.y": (70.0, 90.0)}


def test_licences_and_images_are_told_where_they_are_known() -> None:
    weights = {one.name: one for one in catalogue.get("convnext_tiny").weights}
    assert weights["fb_in22k_ft_in1k"].trained_on == "ImageNet-22k, ImageNet-1k"
    assert weights["fb_in1k"].licence == "Apache-2.0"
    assert catalogue.get("convnextv2_tiny").weights[0].licence == "CC-BY-NC-4.0"


def test_what_timm_does_not_tell_is_declared_and_never_guessed() -> None:
    told = {one.name: one.trained_on for one in catalogue.get("hiera_tiny_224").weights}
    assert told["mae"] == "ImageNet-1k"
    untold = catalogue.get("sam2_hiera_tiny")
    assert not untold.weights[0].trained_on
    assert [one.check for one in untold.expected_failures] == ["dataset"]
    assert untold.weights[0].name in untold.expected_failures[0].reason
    assert not catalogue.get("convnext_tiny").expected_failures
