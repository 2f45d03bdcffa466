import os
import time
from pathlib import Path

import pytest

from xzoo import owner
from xzoo.data import cache
from xzoo.errors import StorageError, UsageError


def entry(kind: str, name: str, *, age: float, num_bytes: int = 100) -> Path:
    folder = cache.root() / kind / name
    folder.mkdir(parents=True)
    (folder / "data").write_bytes(b"x" * num_bytes)
    os.utime(folder, (time.time() - age, time.time() - age))
    return folder


def test_the_root_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.root() == tmp_path / "cache"
    monkeypatch.delenv("XZOO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.root() == tmp_path / "xzoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root() == Path.home() / ".cache/xzoo"


def test_the_least_recently_used_go_first_until_the_rest_fits() -> None:
    old, middle, young = entry("packs", "a", age=30), entry("views", "b", age=20), entry("features", "c", age=10)
    assert cache.size() == 300
    assert cache.trim(250) == 100
    assert (old.exists(), middle.exists(), young.exists()) == (False, True, True)
    cache.touch(middle)
    assert cache.trim(100) == 100
    assert (middle.exists(), young.exists()) == (True, False)


def test_what_is_kept_stays_even_over_the_bound() -> None:
    old, young = entry("packs", "a", age=30), entry("packs", "b", age=10)
    assert cache.trim(0, keep=[old]) == 100
    assert (old.exists(), young.exists()) == (True, False)


def test_what_an_interrupted_process_left_goes_after_a_day_and_not_before() -> None:
    left = entry("packs", ".a.x.tmp", age=90_000)
    working = entry("packs", ".b.x.tmp", age=60)
    assert cache.trim(10_000) == 100
    assert (left.exists(), working.exists()) == (False, True)
    assert cache.trim(0) == 0


def test_what_a_process_that_has_ended_left_goes_at_once_and_what_a_living_one_writes_stays() -> None:
    ended = owner.Owner(owner.machine(), 2**22 + 1, 5)
    left, working = (entry("packs", f".a.{whose}-x.tmp", age=age) for whose, age in ((ended, 0), (owner.this(), 1e6)))
    assert cache.trim(10_000) == 100
    assert (left.exists(), working.exists()) == (False, True)


@pytest.mark.parametrize("age", [-1e6, 0])
def test_what_was_used_last_stays_longest_even_where_the_clock_was_put_back(age: float) -> None:
    used, other = entry("packs", "a", age=30), entry("views", "b", age=age)
    cache.touch(used)
    assert cache.trim(100) == 100
    assert (used.exists(), other.exists()) == (True, False)


def test_an_empty_cache_has_no_size() -> None:
    assert cache.size() == 0
    assert cache.trim() == 0


def test_the_bound_is_read_in_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.limit() == 20_000_000_000
    monkeypatch.setenv("XZOO_CACHE_LIMIT", "0.5")
    assert cache.limit() == 500_000_000


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_bound_that_is_no_size_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("XZOO_CACHE_LIMIT", text)
    with pytest.raises(UsageError, match=f"XZOO_CACHE_LIMIT={text}"):
        cache.trim()


def test_an_entry_that_vanishes_before_it_is_read_is_made_again(tmp_path: Path) -> None:
    path, made = tmp_path / "entry", []

    def write() -> None:
        made.append(1)
        path.write_text("whole")

    def read() -> str:
        if len(made) < 3:
            path.unlink()
        return path.read_text()

    assert cache.entry(path, path.exists, write, read) == "whole"
    assert len(made) == 3


def test_an_entry_that_vanishes_for_ever_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="vanishes as often as it is made"):
        cache.entry(tmp_path / "entry", lambda: False, lambda: None, (tmp_path / "entry").read_text)
