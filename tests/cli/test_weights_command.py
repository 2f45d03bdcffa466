from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]
Read = Callable[[str], dict[str, Any]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "torch" / "hub" / "checkpoints" / "tiny-0123abcd.pth"
    path.parent.mkdir(parents=True)
    return path


def test_where_tells_the_place_without_fetching(command: Run, one_object: Read, place: Path) -> None:
    code, out, _ = command("weights", "where", "tiny", "tiny:twin", "--format", "json")
    assert code == 0
    assert one_object(out) == {
        "schema": "xzoo.weights/1",
        "weights": [
            {"name": "tiny@V1", "path": str(place), "here": False, "state": "not here"},
            {"name": "tiny:twin@random", "path": None, "here": False, "state": "no file"},
        ],
    }


def test_fetching_without_a_network_exits_3_with_three_ways_out(process: Run, one_object: Read, place: Path) -> None:
    started = time.monotonic()
    code, out, _ = process("weights", "fetch", "tiny", "--format", "json")
    assert time.monotonic() - started < 10
    told = one_object(out)
    assert (code, told["kind"]) == (3, "weights")
    for way in ("xzoo weights fetch tiny@V1", str(place), "tiny@/path/file.safetensors", "tiny@random"):
        assert way in told["remedy"]


def test_what_has_no_published_weights_needs_no_fetch(command: Run) -> None:
    assert command("weights", "fetch", "tiny:twin") == (0, "tiny:twin@random  nothing to fetch\n", "")


def test_verify_says_what_differs(command: Run, place: Path) -> None:
    place.write_bytes(b"altered")
    code, _, err = command("weights", "verify", "tiny")
    assert code == 3
    assert "published is 0123abcd" in err


def test_verify_gives_the_hash_of_what_is_as_published(command: Run, one_object: Read, place: Path, tmp_path: Path) -> None:
    place.write_bytes(b"content")
    digest = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    weights = f"xzoo.Weights('V1', url=tiny_plugin.URL, sha256='{digest[:16]}')"
    (tmp_path / "mynet.py").write_text(f"import tiny_plugin, xzoo\nnet = tiny_plugin.declare('mynet', [{weights}])\n")
    [row] = one_object(command("weights", "verify", f"{tmp_path}/mynet.py:net", "--format", "json")[1])["weights"]
    assert (row["state"], row["sha256"]) == ("verified", digest)


def test_one_failure_keeps_no_other_back_and_is_counted(command: Run, place: Path) -> None:
    code, out, err = command("weights", "verify", "tiny", "tiny:twin", "tiny")
    assert (code, out) == (3, "")
    assert "(1 more of 3 failed)" in err
