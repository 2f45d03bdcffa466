"""`xzoo data pack`: made once, told as text and as one object, and gone on with where a killed call stood."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Answer = tuple[int, str, str]
DATA = "phantom:train=40,val=24,test=24,size=32"

KILLED = """
import os, signal, sys
from xzoo.cli import main
from xzoo.data import phantom, shards
shards.SHARD_BYTES = 20 * 32 * 32
draw = phantom.picture
def picture(dials, index):
    if index == int(os.environ.get("KILL_AT", -1)):
        os.kill(os.getpid(), signal.SIGKILL)
    return draw(dials, index)
phantom.picture = picture
sys.exit(main())
"""


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "cache"))


def test_a_pack_and_its_views_are_made_once(command: Callable[..., Answer], one_object: Callable[[str], dict[str, Any]]) -> None:
    words = ("data", "pack", DATA, "--size", "24", "--size", "32", "--format", "json")
    code, out, err = command(*words)
    first = one_object(out)
    assert code == 0
    assert (first["schema"], first["images"], first["classes"], first["channels"]) == ("xzoo.data/1", 88, 2, 1)
    assert [(one["size"], one["made"], one["bytes"]) for one in first["kept"]] == [
        (None, 88, 88 * 32 * 32),
        (24, 88, 88 * 24 * 24),
        (32, 0, 88 * 32 * 32),
    ]
    assert err.splitlines() == ["packing 88 images", "bringing them to 24 x 24 pixels", "bringing them to 32 x 32 pixels"]
    again = one_object(command(*words)[1])
    assert [one["made"] for one in again["kept"]] == [0, 0, 0]
    assert [one["path"] for one in again["kept"]] == [one["path"] for one in first["kept"]]


def test_the_text_says_what_lies_where(command: Callable[..., Answer], tmp_path: Path) -> None:
    code, out, _ = command("data", "pack", DATA, "--size", "24")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "phantom: 88 images, 2 classes, 1 channels"
    assert lines[1].startswith("pack  0.1 MB in 1 file, 88 made in ")
    assert lines[2].startswith("24 x 24  0.1 MB in 1 file, 88 made in ")
    assert all(str(tmp_path / "cache") in line for line in lines[1:])
    assert "was there" in command("data", "pack", DATA)[1]


def test_a_cache_that_is_too_small_for_it_is_told(command: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_CACHE_LIMIT", "0.00001")
    code, _, err = command("data", "pack", DATA)
    assert code == 0
    assert err.splitlines()[1:] == [
        "the cache holds 0.0 GB and may hold 1e-05: what is made next puts the oldest of it out",
        "XZOO_CACHE_LIMIT=1 keeps all of it, with room for features",
    ]


def test_packing_that_was_killed_goes_on(process: Callable[..., Answer], one_object: Callable[[str], dict[str, Any]]) -> None:
    words = ("data", "pack", DATA, "--format", "json")
    assert process(*words, code=KILLED, env={"KILL_AT": "70"})[0] == -signal.SIGKILL
    code, out, _ = process(*words, code=KILLED)
    [pack] = one_object(out)["kept"]
    assert (code, pack["files"]) == (0, 5)
    assert pack["made"] == 88 - 60, "the fourth shard was not whole"


def test_a_size_that_is_none_is_refused_before_anything_is_decoded(command: Callable[..., Answer], tmp_path: Path) -> None:
    code, _, err = command("data", "pack", DATA, "--size", "0")
    assert code == 2
    assert "--size" in err
    assert not (tmp_path / "cache").exists()
