from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

Run = Callable[..., tuple[int, str, str]]
Read = Callable[[str], dict[str, Any]]


def names(answer: dict[str, Any]) -> list[str]:
    return [row["name"] for row in answer["backbones"]]


def test_every_offer_is_listed_with_its_owner(command: Run, one_object: Read) -> None:
    code, out, err = command("list", "--format", "json")
    answer = one_object(out)
    assert (code, err, answer["schema"]) == (0, "", "xzoo.list/1")
    assert {"name": "tiny", "distribution": "tiny", "version": "2.0"} in answer["backbones"]
    assert [row["distribution"] for row in answer["backbones"] if row["name"] == "twin"] == ["rival", "tiny"]
    assert {"exits", "absent-module"} <= set(names(answer))


def test_text_says_how_to_choose_between_rivals(command: Run) -> None:
    code, out, _ = command("list", "twin")
    assert code == 0
    assert out == "twin  rival 1.0\ntwin  tiny 2.0\ntwin is offered more than once: ask for DISTRIBUTION:twin\n"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("twi", ["twin", "twin"]),
        ("t?n?", ["tiny"]),
        ("fam/", ["fam/one", "fam/two"]),
        ("fam/t*", ["fam/two"]),
        ("nothing-is-called-this", []),
        ("nobody/", []),
    ],
)
def test_a_pattern_narrows_the_list(command: Run, one_object: Read, pattern: str, found: list[str]) -> None:
    code, out, _ = command("list", pattern, "--format", "json")
    assert code == 0
    assert names(one_object(out)) == found


def test_an_empty_list_says_so(command: Run) -> None:
    assert command("list", "nothing-is-called-this")[1] == "no backbone matches 'nothing-is-called-this'\n"


def rows(command: Run, one_object: Read, *words: str) -> list[dict[str, Any]]:
    code, out, _ = command("list", *words, "--format", "json")
    assert code == 0
    found: list[dict[str, Any]] = one_object(out)["backbones"]
    return found


def test_a_familys_name_lists_its_members_with_figures(command: Run, one_object: Read) -> None:
    found = rows(command, one_object, "fam")
    assert [row["name"] for row in found] == ["fam/one", "fam/two"]
    assert found == rows(command, one_object, "fam/")
    [row] = rows(command, one_object, "resnet18")
    assert (row["params"], row["size"], row["channels"]) == (11_689_512, [224, 224], 3)
    assert row["weights"] == [
        {
            "name": "IMAGENET1K_V1",
            "licence": "BSD-3-Clause",
            "trained_on": "ImageNet-1k",
            "top1": 69.758,
            "top5": 89.078,
            "size": [224, 224],
            "source": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        }
    ]


def test_figures_stand_in_columns(command: Run) -> None:
    code, out, _ = command("list", "resnet50")
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["backbone", "parameters", "GMACs", "input", "top-1", "weights", "licence"],
        ["resnet50", "25.56", "M", "4.09", "224", "80.9", "IMAGENET1K_V2", "+1", "BSD-3-Clause"],
    ]


def test_filters_look_into_every_family_and_put_the_best_first(command: Run, one_object: Read) -> None:
    found = rows(command, one_object, "--max-params", "2.7M", "--min-top1", "60")
    assert {row["name"] for row in found} >= {"mobilenet_v3_small", "timm/mobilenetv3_small_100"}
    assert "tiny" not in {row["name"] for row in found}
    assert all(row["params"] <= 2.7e6 for row in found)
    best = [max(one["top1"] for one in row["weights"]) for row in found]
    assert best == sorted(best, reverse=True)
    assert min(best) >= 60


def test_only_the_weights_that_will_do_are_shown(command: Run, one_object: Read) -> None:
    [row] = rows(command, one_object, "vit_l_16", "--licence", "NC")
    assert [one["name"] for one in row["weights"]] == ["IMAGENET1K_SWAG_LINEAR_V1"]
    assert rows(command, one_object, "resnet18", "--licence", "nc") == []
    assert rows(command, one_object, "mlp", "--min-top1", "1") == []


def test_a_filter_passes_broken_plugins_by_and_names_them(command: Run) -> None:
    code, out, _ = command("list", "--max-params", "1M")
    assert code == 0
    assert "timm/test_vit" in out
    assert "the plugin 'exits' of broken 0.1 cannot import broken_plugins.exits" in out
    assert "the plugins of broken 0.1 could not all be asked: " in out


def test_a_broken_plugin_keeps_its_line(command: Run) -> None:
    code, out, _ = command("list", "exits")
    assert code == 0
    assert "exits  broken 0.1\n\nthe plugin 'exits' of broken 0.1 cannot import" in out


@pytest.mark.parametrize(
    ("words", "what"),
    [(["--max-params", "many"], "write 5M, 300k or 5000000"), (["--min-top1", "120"], "0<=x<=100")],
)
def test_a_filter_that_is_no_number_is_refused(command: Run, words: list[str], what: str) -> None:
    code, _, err = command("list", *words)
    assert code == 2
    assert what in " ".join(err.split())


def test_all_names_fit_a_screen_and_families_are_counted(command: Run) -> None:
    code, out, _ = command("list")
    assert code == 0
    assert len(out.splitlines()) < 60
    assert re.search(r"^  timm/  [\d,]+ networks: xzoo list timm$", out, re.MULTILINE)
    assert "twin is offered more than once: ask for DISTRIBUTION:twin" in out


def test_the_picture_is_of_all_that_are_listed_and_says_who_has_no_place_in_it(command: Run, one_object: Read) -> None:
    plot = one_object(command("list", "--plot", "--format", "json")[1])["plot"]
    names = {spot["name"] for spot in plot["spots"]}
    assert {"resnet18", "vit_b_16-384"} <= names
    assert not any("/" in name for name in names)
    assert "mlp" in plot["left_out"]["without a published accuracy"]
    assert "exits" in plot["left_out"]["not declared"]
    assert set(plot["front"]) <= names
    assert all(spot["source"] for spot in plot["spots"])


def test_the_picture_fits_the_terminal(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    code, out, _ = command("list", "resnet*", "--plot")
    assert code == 0
    assert "GMACs (log scale)" in out
    assert "• resnet18" in out
    assert max(map(len, out.splitlines())) <= 60


def test_a_pattern_and_a_filter_choose_what_is_drawn(command: Run, one_object: Read) -> None:
    plot = one_object(command("list", "timm/resnet18*", "--plot", "--format", "json")[1])["plot"]
    assert "timm/resnet18" in {spot["name"] for spot in plot["spots"]}
    plot = one_object(command("list", "--max-params", "1.5M", "--plot", "--format", "json")[1])["plot"]
    assert all(spot["params"] <= 1.5e6 for spot in plot["spots"])
    assert any(spot["name"].startswith("timm/") for spot in plot["spots"])
    code, out, _ = command("list", "mlp", "--plot")
    assert (code, "no backbone here has" in out, "mlp" in out) == (0, True, True)


def test_the_picture_goes_to_a_file_that_is_one_whole_svg(command: Run, tmp_path: Path) -> None:
    goal = tmp_path / "zoo.svg"
    assert command("list", "resnet*", "--plot", "-o", str(goal))[:2] == (0, f"{goal}\n")
    assert ElementTree.parse(goal).getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("words", "says"), [(["--plot", "-o", "zoo.png"], "does not end in .svg"), (["-o", "zoo.svg"], "add --plot")]
)
def test_a_file_that_cannot_be_written_or_is_not_asked_for_is_refused(command: Run, words: list[str], says: str) -> None:
    code, _, err = command("list", *words)
    assert (code, says in " ".join(err.split())) == (2, True)
