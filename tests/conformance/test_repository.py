"""`xzoo plugins new`: what is written, and what is refused. tests/docs executes it as a reader of the docs would."""

from __future__ import annotations

import ast
import json
import os
import re
import tomllib
from pathlib import Path

import pytest

from xzoo import durable
from xzoo.cli import main
from xzoo.conformance.repository import LICENCES, write
from xzoo.errors import StorageError, UsageError

ROOT = Path(__file__).parents[2]


def texts(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


def test_a_repository_holds_all_that_it_says_and_nothing_to_be_filled_in(tmp_path: Path) -> None:
    made = write("my_net", tmp_path)
    found = texts(tmp_path / "xzoo-my-net")
    assert set(found) == set(made.files)
    assert (made.distribution, made.module, made.folder) == ("xzoo-my-net", "xzoo_my_net", str(tmp_path / "xzoo-my-net"))
    assert {"src/xzoo_my_net/__init__.py", "tests/test_contract.py", ".github/workflows/publish.yml", "LICENSE"} <= set(found)
    assert [name for name, text in found.items() if re.search(r"<<|>>|TODO|FIXME", text)] == []
    assert [path.name for path in tmp_path.iterdir()] == ["xzoo-my-net"]
    assert max(len(line) for name, text in found.items() if name.endswith(".py") for line in text.splitlines()) <= 130
    for name, text in found.items():
        if name.endswith(".py"):
            ast.parse(text)


def test_its_project_file_names_the_entry_point_and_the_package(tmp_path: Path) -> None:
    write("my_net", tmp_path, "MIT")
    project = tomllib.loads((tmp_path / "xzoo-my-net" / "pyproject.toml").read_text())
    assert project["project"]["name"] == "xzoo-my-net"
    assert project["project"]["license"] == "MIT"
    assert project["project"]["entry-points"] == {"xzoo.backbones": {"my_net": "xzoo_my_net"}}
    assert (tmp_path / "xzoo-my-net" / project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0]).is_dir()


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_is_the_chosen_one_everywhere(tmp_path: Path, licence: str) -> None:
    write("net", tmp_path, licence)
    found = texts(tmp_path / "xzoo-net")
    words = {"Apache-2.0": "Apache License", "MIT": "Permission is hereby granted", "BSD-3-Clause": "Redistribution and use"}
    assert words[licence] in found["LICENSE"]
    assert f'licence="{licence}"' in found["src/xzoo_net/__init__.py"]
    assert found["README.md"].endswith(f"{licence}\n")


def test_the_shipped_apache_licence_is_xzoos_own() -> None:
    shipped = ROOT / "src" / "xzoo" / "conformance" / "template" / "licence-Apache-2.0.txt"
    assert shipped.read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_what_is_there_already_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "xzoo-net").mkdir()
    (tmp_path / "xzoo-net" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="xzoo-net is there already"):
        write("net", tmp_path)
    assert texts(tmp_path / "xzoo-net") == {"mine": "mine"}
    (tmp_path / "xzoo-link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="xzoo-link is there already"):
        write("link", tmp_path)


def test_a_folder_that_appears_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_bytes = durable.fill_bytes

    def meanwhile(path: Path, data: bytes) -> None:
        (tmp_path / "xzoo-net").mkdir(exist_ok=True)
        (tmp_path / "xzoo-net" / "mine").write_text("mine")
        fill_bytes(path, data)

    monkeypatch.setattr(durable, "fill_bytes", meanwhile)
    with pytest.raises(UsageError, match="xzoo-net is there already"):
        write("net", tmp_path)
    assert texts(tmp_path) == {"xzoo-net/mine": "mine"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("My Net", "between them: my-net"),
        ("3d", "lower-case letters"),
        ("a/b", "a-b"),
        ("../up", "up"),
        ("a--b", "a-b"),
        ("net\n", "net"),
        ("ünet", "net"),
        ("x" * 51, "x"),
        ("resnet18", "offered by xzoo 0.1.0 already"),
        ("classic", "a module xzoo_classic is installed already"),
    ],
)
def test_a_name_that_cannot_be_used_is_one_clear_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    assert main(["plugins", "new", name, "--path", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError):
        write("net", tmp_path)


def test_the_answer_names_the_files_and_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", "net", "--path", str(tmp_path), "--format", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["schema"], answer["name"]) == ("xzoo.repository/1", "net")
    assert answer["next"][0] == f"pip install -e '{tmp_path}/xzoo-net[test]'"
    assert len(answer["next"]) <= 4
