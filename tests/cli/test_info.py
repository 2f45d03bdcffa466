from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from xzoo.errors import UsageError
from xzoo.model.facts import Facts, describe
from xzoo.zoo.registry import Registry

Run = Callable[..., tuple[int, str, str]]
Read = Callable[[str], dict[str, Any]]

PARAMS = [
    ("xzoo_torchvision.alexnet", "alexnet", 61_100_840, 61_100_840),
    ("xzoo_torchvision.googlenet", "googlenet", 6_624_904, 13_004_888),
    ("xzoo_torchvision.resnet", "resnet18", 11_689_512, 11_689_512),
    ("xzoo_torchvision.resnet", "resnet34", 21_797_672, 21_797_672),
    ("xzoo_torchvision.resnet", "resnet50", 25_557_032, 25_557_032),
    ("xzoo_torchvision.densenet", "densenet121", 7_978_856, 7_978_856),
    ("xzoo_torchvision.vgg", "vgg16", 138_357_544, 138_357_544),
    ("xzoo_classic.mlp", "mlp", 2_099_329, 2_099_329),
    ("xzoo_classic.convolutional", "cnn", 1_067_457, 1_067_457),
]


def facts_of(module: str, name: str) -> Facts:
    declared: Iterable[Any] = import_module(module).xzoo_backbones()
    return describe(Registry(()).get(next(backbone for backbone in declared if backbone.name == name)))


@pytest.mark.parametrize(("module", "name", "params", "with_auxiliary"), PARAMS)
def test_parameters_are_exactly_the_published_ones(module: str, name: str, params: int, with_auxiliary: int) -> None:
    facts = facts_of(module, name)
    assert (facts.params, facts.params_with_auxiliary) == (params, with_auxiliary)
    assert sum(stage.params for stage in facts.stages) + facts.params_head == params


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, name, _, _ in PARAMS if "torchvision" in module])
def test_cost_is_within_one_percent_of_the_published_one(module: str, name: str) -> None:
    declared = next(b for b in import_module(module).xzoo_backbones() if b.name == name)
    assert declared.gmacs is not None
    assert facts_of(module, name).gmacs == pytest.approx(declared.gmacs, rel=0.01)


def test_json_gives_every_field(command: Run, one_object: Read) -> None:
    code, out, err = command("info", "tiny", "--format", "json")
    answer = one_object(out)
    assert (code, err, answer["schema"]) == (0, "", "xzoo.info/1")
    assert answer["backbones"] == [
        {
            "name": "tiny",
            "summary": "",
            "paper": "",
            "params": 35,
            "params_with_auxiliary": 35,
            "params_head": 20,
            "gmacs": 0.0,
            "size": [2, 2],
            "channels": 1,
            "stages": [{"name": "body", "params": 15, "gmacs": 0.0, "output": [3]}],
            "weights": [
                {
                    "name": "V1",
                    "top1": None,
                    "top5": None,
                    "licence": "",
                    "trained_on": "",
                    "sha256": "0123abcd",
                    "url": "http://127.0.0.1:9/tiny-0123abcd.pth",
                    "here": False,
                }
            ],
            "freeze": "frozen",
            "head": "3",
            "origin": "tiny 2.0",
            "gmacs_head": 0.0,
            "features": [3],
            "learning": [
                {"freeze": "frozen", "first": 20, "most": 20, "since": {}, "rate": {}},
                {"freeze": "last:1", "first": 35, "most": 35, "since": {"body": 1}, "rate": {"body": 1.0}},
                {"freeze": "last:2", "first": 35, "most": 35, "since": {"body": 1}, "rate": {"body": 1.0}},
                {"freeze": "gradual:1", "first": 20, "most": 35, "since": {"body": 2}, "rate": {"body": 1.0}},
                {"freeze": "lp-ft", "first": 20, "most": 35, "since": {"body": 6}, "rate": {"body": 1.0}},
                {"freeze": "layerwise:0.75", "first": 35, "most": 35, "since": {"body": 1}, "rate": {"body": 0.75}},
                {"freeze": "finetune", "first": 35, "most": 35, "since": {"body": 1}, "rate": {"body": 1.0}},
            ],
        }
    ]


def test_weights_on_this_disk_are_said_to_be_here(command: Run, one_object: Read, tmp_path: Path) -> None:
    path = tmp_path / "torch" / "hub" / "checkpoints" / "tiny-0123abcd.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    assert one_object(command("info", "tiny", "--format", "json")[1])["backbones"][0]["weights"][0]["here"] is True


def test_text_shows_stages_and_where_the_head_begins(command: Run) -> None:
    code, out, _ = command("info", "tiny")
    assert code == 0
    assert "  35 parameters\n" in out
    assert "  body  3              15 ████████████     0.000" in out
    assert re.search(r"^  -- the head begins at 3, takes 3\n  head +20 █", out, re.MULTILINE)
    assert "  @V1  not on this disk" in out
    assert re.search(r"^  body +· +● +● +from 2 +from 6 +x 0.75 +●$", out, re.MULTILINE)


def test_two_stand_side_by_side_with_all_that_is_known_of_their_weights(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = command("info", "tiny", "tiny:twin")
    assert code == 0
    assert re.search(r"^parameters +35 +35$", out, re.MULTILINE)
    assert re.search(r"^tiny +tiny:twin$", out, re.MULTILINE)
    assert out.count("-- head: 3, takes 3") == 2
    assert re.search(r"^body +3 +15 (█+[▏▎▍▌▋▊▉]?) +0\.000 .*   body +3 +15 \1 +0\.000", out, re.MULTILINE)
    assert "weights of tiny:\n@V1  not on this disk" in out
    assert "no published weights: it starts from scratch" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_file_of_ones_own_is_described_and_named_when_it_cannot_be_built(
    command: Run, one_object: Read, tmp_path: Path
) -> None:
    source = "import tiny_plugin\nnet = tiny_plugin.declare('mynet')\n"
    (tmp_path / "mynet.py").write_text(source)
    [row] = one_object(command("info", f"{tmp_path}/mynet.py:net", "--format", "json")[1])["backbones"]
    assert (row["name"], row["params"], row["origin"]) == ("mynet", 35, f"{tmp_path}/mynet.py")
    (tmp_path / "broken.py").write_text(
        source.replace("'mynet')", "'mynet')\nimport dataclasses\nnet = dataclasses.replace(net, build=lambda: 1 / 0)")
    )
    code, _, err = command("info", f"{tmp_path}/broken.py:net")
    assert (code, "mynet cannot be built: ZeroDivisionError" in err) == (3, True)


def own(tmp_path: Path, *changes: str) -> str:
    """Write a network that takes images of 96 pixels alone, and return the name by which it is asked for."""
    lines = [
        "import xzoo",
        "def build():",
        "    from torch import nn",
        "    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 94 * 94, 4))",
        f"net = xzoo.Backbone(name='net', head=xzoo.ReplaceLinear('2'), stages={{'stem': '0'}}, {', '.join(changes)})",
    ]
    (tmp_path / "net.py").write_text("\n".join(lines))
    return f"{tmp_path}/net.py:net"


def test_a_size_that_the_network_does_not_take_is_its_declarations_fault(command: Run, tmp_path: Path) -> None:
    code, _, err = command("info", own(tmp_path, "build=build"))
    assert code == 3
    assert "net does not take one image of 3x224x224" in err
    assert "preprocess=xzoo.Preprocess(size=...)" in err


def test_what_nobody_has_trained_learns_whole(
    command: Run, one_object: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = own(tmp_path, "build=build", "preprocess=xzoo.Preprocess(size=96)", "fixed_size=True")
    [row] = one_object(command("info", name, "--format", "json")[1])["backbones"]
    assert row["freeze"] == "finetune"
    asked: list[Any] = []

    def note(_names: object, **more: Any) -> None:
        asked.append(more["freeze"])
        raise UsageError("noted", "")

    monkeypatch.setattr("xzoo.cli.compare.carry_out", note)
    assert command("train", name)[0] == 2
    assert asked == [("finetune",)]


def test_a_network_in_place_of_the_function_that_makes_it_is_told(command: Run, tmp_path: Path) -> None:
    code, _, err = command("info", own(tmp_path, "build=build()"))
    assert code == 3
    assert "not a function that returns the network" in err


def test_bars_of_two_are_on_one_scale_and_stand_beneath_each_other_where_there_is_no_room(
    command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    _, beside, _ = command("info", "alexnet", "resnet18")
    assert re.search(r"^fc +4096 +54\.53 M █{12} +0\.055 \S+ +layer3 +256x14x14 +2\.10 M ▌ ", beside, re.MULTILINE)
    monkeypatch.setenv("COLUMNS", "60")
    _, below, _ = command("info", "alexnet", "resnet18")
    assert "\n\nalexnet\nstage" in below
    assert "\n\nresnet18\nstage" in below
    assert re.search(r"^layer3 256x14x14 +2,099,712 ▌? +0\.411 █+", below, re.MULTILINE)
