"""`xzoo plugins`, and leaving plugins out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xzoo.zoo.offers import NOT, ONLY

Run = Callable[..., tuple[int, str, str]]
Read = Callable[[str], dict[str, Any]]

METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the fake distributions, so that nothing else is examined."""
    monkeypatch.setenv(ONLY, "tiny,rival,broken")


@pytest.mark.usefixtures("few")
def test_every_plugin_has_its_health_and_the_faulty_say_what_to_do(command: Run, one_object: Read) -> None:
    code, out, err = command("plugins", "--format", "json")
    answer = one_object(out)
    assert (code, err, answer["schema"]) == (0, "", "xzoo.plugins/1")
    rows = {(row["distribution"], row["name"]): row for row in answer["plugins"]}
    tiny, rival, exits = rows["tiny", "tiny"], rows["rival", "twin"], rows["broken", "exits"]
    assert {**tiny, "seconds": 0} == {
        **{"name": "tiny", "distribution": "tiny", "version": "2.0", "module": "tiny_plugin"},
        **{"health": "ok", "seconds": 0, "num_backbones": 4, "faults": []},
    }
    assert 0 < tiny["seconds"] < 20
    assert rival["health"] == "clash"
    assert rival["faults"] == [
        {"text": "'twin' is offered by rival 1.0 and tiny 2.0", "remedy": "uninstall one, or ask for rival:twin"}
    ]
    assert exits["health"] == "broken"
    assert [fault["text"] for fault in exits["faults"]] == [
        "the plugin 'exits' of broken 0.1 cannot import broken_plugins.exits: SystemExit: not on this machine",
        "the plugin 'exits' of broken 0.1 prints when it is declared: 'printed by a plugin\\n'",
    ]


@pytest.mark.usefixtures("few")
def test_those_of_one_module_that_are_well_share_a_row(command: Run) -> None:
    code, out, _ = command("plugins", "--no-plugin", "broken", "--no-plugin", "rival")
    assert code == 0
    head, _, row = out.splitlines()
    assert head.split() == ["plugin", "distribution", "health", "backbones", "load", "s"]
    assert row.startswith("fam and 2 more  tiny 2.0      ok      4          0.0")


@pytest.mark.parametrize(("only", "code"), [("tiny:tiny", 0), ("tiny,rival", 1), ("broken", 1)])
def test_strict_is_an_exit_code(command: Run, monkeypatch: pytest.MonkeyPatch, only: str, code: int) -> None:
    monkeypatch.setenv(ONLY, only)
    assert command("plugins", "--strict")[0] == code
    assert command("plugins")[0] == 0


@pytest.mark.parametrize(
    ("variables", "words", "found"),
    [
        ({}, ["--no-plugin", "rival"], ["tiny 2.0"]),
        ({}, ["--no-plugin=tiny:twin"], ["rival 1.0"]),
        ({}, ["--no-plugin", "twin"], []),
        ({NOT: "tiny"}, [], ["rival 1.0"]),
        ({NOT: "tiny"}, ["--no-plugin", "rival"], []),
        ({ONLY: "Tiny"}, [], ["tiny 2.0"]),
        ({ONLY: "twin,xzoo"}, [], ["rival 1.0", "tiny 2.0"]),
        ({ONLY: "xzoo"}, [], []),
        ({ONLY: " , "}, [], ["rival 1.0", "tiny 2.0"]),
    ],
)
def test_plugins_and_distributions_can_be_left_out(
    command: Run,
    one_object: Read,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    words: list[str],
    found: list[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    code, out, _ = command("list", "twin", "--format", "json", *words)
    assert code == 0
    assert [f"{row['distribution']} {row['version']}" for row in one_object(out)["backbones"]] == found
    assert dict(os.environ) == before


@pytest.mark.parametrize("wanted", ["twin", "rival:twin", "fam/one"])
def test_who_asks_for_what_is_left_out_is_told_so(command: Run, wanted: str) -> None:
    code, _, err = command("info", wanted, "--no-plugin", "tiny", "--no-plugin", "rival")
    assert code == 2
    assert "is left out here\n  look at XZOO_PLUGINS, XZOO_NO_PLUGINS and --no-plugin" in err


@pytest.mark.parametrize(
    ("words", "variables", "what"),
    [
        (["--no-plugin", "rivall"], {}, "--no-plugin (or XZOO_NO_PLUGINS) names 'rivall'"),
        ([], {ONLY: "tiny,rivall"}, "XZOO_PLUGINS names 'rivall'"),
        (["--no-plugin"], {}, "--no-plugin names no plugin"),
        (["--no-plugin", "--format=text"], {}, "--no-plugin names no plugin"),
        (["--no-plugin="], {}, "--no-plugin names no plugin"),
    ],
)
def test_a_name_that_means_no_plugin_is_refused(
    command: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], variables: dict[str, str], what: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, out, err = command("list", *words)
    assert (code, out) == (2, "")
    assert what in err
    assert "rivall" not in err or "did you mean rival?" in err


def test_thirty_plugins_more_change_no_letter_of_the_help(command: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = command("--help")
    for number in range(30):
        folder = tmp_path / f"many_{number}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(METADATA.format(name=f"many-{number}"))
        (folder / "entry_points.txt").write_text(f"[xzoo.backbones]\nmany{number} = many_{number}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "many29" in command("list")[1]
    assert command("--help") == before


def test_one_plugin_installed_in_two_places_with_two_meanings_is_nobodys(
    command: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "tiny-3.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 3.0\n")
    (folder / "entry_points.txt").write_text("[xzoo.backbones]\ntiny = another_module\nfam = tiny_plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    code, _, err = command("info", "tiny:tiny")
    assert code == 2
    assert "'tiny' is offered by tiny 2.0 in" in err
    assert f"tiny 3.0 in {folder}" in err
    assert "two distributions call themselves tiny" in err
    assert command("list", "fam/")[0] == 0
