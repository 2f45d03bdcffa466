"""A file is hashed once, and again after anything about it changed; what is remembered vouches for nothing else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

import xzoo
from xzoo import durable
from xzoo.model import verified
from xzoo.model.fetch import fetch, verify
from xzoo.zoo.spec import Choice

DIGEST = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"


@pytest.fixture(autouse=True)
def hashed(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were hashed. A file counts as settled as soon as it is written."""
    found: list[Path] = []
    sha256 = durable.sha256

    def count(path: Path) -> str:
        found.append(path)
        return sha256(path)

    monkeypatch.setattr(durable, "sha256", count)
    monkeypatch.setattr(verified, "_SETTLED_NS", -(10**12))
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "net.pth").write_bytes(b"content")
    return tmp_path / "net.pth"


def notes(own_cache: Path) -> list[Path]:
    return sorted((own_cache / "verified").glob("*"))


def test_a_file_is_hashed_once(path: Path, hashed: list[Path]) -> None:
    assert [verified.sha256(path, DIGEST[:8]) for _ in range(3)] == [DIGEST] * 3
    assert hashed == [path]
    assert verified.sha256(path, DIGEST[:8], anew=True) == DIGEST
    assert hashed == [path, path]


def _same_size(path: Path) -> None:
    path.write_bytes(b"CONTENT")


def _same_size_and_time(path: Path) -> None:
    before = path.stat()
    path.write_bytes(b"CONTENT")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _another_file(path: Path) -> None:
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"CONTENT")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def _a_link(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"CONTENT")
    path.unlink()
    path.symlink_to(other)


@pytest.mark.parametrize("change", [_same_size, _same_size_and_time, _another_file, _a_link])
def test_a_file_that_changed_in_any_way_is_hashed_again(change: Callable[[Path], None], path: Path, hashed: list[Path]) -> None:
    assert verified.sha256(path) == DIGEST
    time.sleep(0.02)  # more than a step of the clock that files are marked with
    change(path)
    assert verified.sha256(path) != DIGEST
    assert len(hashed) == 2


def test_a_file_that_changes_while_it_is_hashed_is_not_remembered(
    path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = durable.sha256

    def slow(one: Path) -> str:
        found = sha256(one)
        one.write_bytes(b"CONTENTS")
        return found

    monkeypatch.setattr(durable, "sha256", slow)
    verified.sha256(path)
    assert notes(own_cache) == []


def test_a_file_that_changed_a_moment_ago_is_not_remembered(path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "_SETTLED_NS", 10**12)
    verified.sha256(path)
    assert notes(own_cache) == []


def test_what_is_not_as_expected_is_not_remembered(path: Path, own_cache: Path, hashed: list[Path]) -> None:
    assert verified.sha256(path, "0123abcd") == verified.sha256(path, "0123abcd") == DIGEST
    assert len(hashed) == 2
    assert notes(own_cache) == []


def test_what_is_remembered_counts_for_its_own_path_and_digest_alone(path: Path, own_cache: Path, hashed: list[Path]) -> None:
    verified.sha256(path, DIGEST)
    [note] = notes(own_cache)
    other = path.with_name("other.pth")
    other.write_bytes(b"CONTENT")
    for expected in ("", "0123abcd", DIGEST[:8]):
        for one in (path, other):
            # A note that was made for one file and digest, put where that of another is looked for.
            verified._note(one, expected).write_bytes(note.read_bytes())
            hashed.clear()
            verified.sha256(one, expected)
            assert hashed == [one]


@pytest.mark.parametrize("key", ["sha256", "state", "path", "expected", None])
@pytest.mark.parametrize("value", [None, "", "0" * 64, [], {}, 7, DIGEST.upper()])
def test_a_note_that_was_altered_is_no_note(
    key: str | None, value: object, path: Path, own_cache: Path, hashed: list[Path]
) -> None:
    verified.sha256(path, DIGEST[:8])
    [note] = notes(own_cache)
    told = json.loads(note.read_bytes())
    note.write_text(json.dumps(value if key is None else {**told, key: value}))
    assert verified.sha256(path, DIGEST[:8]) == DIGEST
    assert len(hashed) == 2


def test_a_note_of_another_user_is_no_note(path: Path, monkeypatch: pytest.MonkeyPatch, hashed: list[Path]) -> None:
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    fstat = os.fstat
    monkeypatch.setattr(os, "fstat", lambda handle: os.stat_result((*fstat(handle)[:4], user + 2, *fstat(handle)[5:])))
    assert [verified.sha256(path) for _ in range(2)] == [DIGEST] * 2
    assert len(hashed) == 2


def test_a_cache_that_cannot_be_written_costs_time_alone(path: Path, own_cache: Path, hashed: list[Path]) -> None:
    own_cache.write_text("a file in its place")
    assert [verified.sha256(path) for _ in range(2)] == [DIGEST] * 2
    assert len(hashed) == 2


def test_published_weights_are_hashed_by_the_first_start_and_by_who_asks_for_it(
    path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    path = path.rename(tmp_path / "hub" / "checkpoints" / "net.pth")
    weights = xzoo.Weights("V1", url="http://127.0.0.1:9/net.pth", sha256=DIGEST)
    backbone = xzoo.Backbone(name="net", build=nn.Identity, head=xzoo.ReplaceLinear("a"), stages={"b": "b"}, weights=[weights])
    for _ in range(2):
        assert fetch(Choice(backbone, weights)) == path
        assert verify(path, weights) == DIGEST
    assert hashed == [path]
    verify(path, weights, anew=True)
    assert hashed == [path, path]
