"""Whatever is kept and has one bit flipped, or its end cut off, is made again or refused: never loaded."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from flips import SHARD_BYTES, SILENT, Kept, damaged, everything, tried
from xzoo.data import cache, shards
from xzoo.data.pack import make_pack
from xzoo.data.source import arrays, open_source

KINDS = ["packs", "views", "features", "cells", "learnt tensors"]


@pytest.fixture
def kept(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Kept]:
    assert own_cache == tmp_path / "cache"
    monkeypatch.setattr(shards, "SHARD_BYTES", SHARD_BYTES)
    found = {one.name: one for one in everything(tmp_path)}
    assert [len(list(found[name].folder.glob("pixels*.bin"))) for name in ("packs", "views")] == [4, 2]
    return found


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("is_cut", "number"), [(True, 9), (False, 45)], ids=["cut", "flipped"])
def test_damage_is_noticed(kept: dict[str, Kept], name: str, is_cut: bool, number: int) -> None:
    assert sorted(kept) == sorted(KINDS)
    assert tried(kept[name], number, random.Random(name), is_cut=is_cut)[SILENT] == 0


@pytest.mark.parametrize("name", KINDS)
def test_what_is_whole_is_loaded(kept: dict[str, Kept], name: str) -> None:
    assert [kept[name].ask() for _ in range(2)] == [False, False]


def test_a_flip_behind_restored_times_is_noticed(own_cache: Path) -> None:
    source = open_source(arrays(np.random.default_rng(0).integers(0, 256, (8, 12, 10), dtype=np.uint8), np.arange(8) % 2))
    path = make_pack(source).folder / "pixels.bin"
    before = path.stat()
    path.write_bytes(damaged(path.read_bytes(), random.Random(0), is_cut=False))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert make_pack(source).num_decoded == 8


def test_an_entry_is_hashed_once_while_nobody_touches_it(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(arrays(np.zeros((8, 12, 10), np.uint8), np.arange(8) % 2))
    folder = make_pack(source).folder
    hashed: list[Path] = []
    monkeypatch.setattr(cache.durable, "sha256", lambda path, real=cache.durable.sha256: hashed.append(path) or real(path))  # type: ignore[attr-defined,func-returns-value]
    assert cache.is_intact(folder, ["pixels.bin"])
    assert len(hashed) == 1, "what was written a moment ago may be written again unseen"
    monkeypatch.setattr(cache, "_SETTLED_NS", -(10**12))
    assert [cache.is_intact(folder, ["pixels.bin"]) for _ in range(3)] == [True] * 3
    assert len(hashed) == 2
    (folder / "pixels.bin").touch()
    assert cache.is_intact(folder, ["pixels.bin"])
    assert len(hashed) == 3


def test_a_manifest_of_nothing_vouches_for_nothing(own_cache: Path) -> None:
    source = open_source(arrays(np.zeros((8, 12, 10), np.uint8), np.arange(8) % 2))
    folder = make_pack(source).folder
    for manifest in ("{}", "[]", "7", '{"pixels.bin": 3}', "[" * 100_000):
        (folder / "manifest.json").write_text(manifest)
        assert make_pack(source).num_decoded == 8
