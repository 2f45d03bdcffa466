"""A pack that another process has: opened where its bytes lie, brought where they do not, and refused where they differ."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from xzoo.data.moving import ToldPack, files_of, mapped
from xzoo.data.pack import Pack
from xzoo.errors import StorageError


@pytest.fixture
def told(pack: Pack) -> ToldPack:
    """What another process is sent."""
    found: ToldPack = pickle.loads(pickle.dumps(ToldPack.of(pack)))
    return found


def test_a_process_that_sees_the_cache_opens_the_pack_there(pack: Pack, told: ToldPack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_CACHE", str(pack.folder.parents[1]))
    opened = told.opened()
    assert opened is not None
    assert opened.folder == pack.folder
    assert all((opened.image(place) == pack.image(place)).all() for place in range(len(pack)))


def test_a_process_that_does_not_gets_its_bytes(pack: Pack, told: ToldPack, own_cache: Path) -> None:
    assert told.opened() is None
    brought = told.brought(files_of(pack))
    assert brought.folder.is_relative_to(own_cache)
    assert (brought.image(7) == pack.image(7)).all()
    assert told.opened() is not None
    before = {path: path.stat().st_ino for path in brought.folder.iterdir()}
    told.brought({})
    assert {path: path.stat().st_ino for path in brought.folder.iterdir()} == before, "it is brought once"


@pytest.mark.parametrize("fault", ["altered", "missing"])
def test_what_arrives_otherwise_is_refused(pack: Pack, told: ToldPack, own_cache: Path, fault: str) -> None:
    files = files_of(pack)
    name = max(files, key=lambda one: files[one].nbytes)
    if fault == "altered":
        files[name] = files[name].copy()
        files[name][5] ^= 1
    else:
        del files[name]
    with pytest.raises(StorageError, match="is not the pack that was sent"):
        told.brought(files)


def test_an_empty_file_has_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert mapped(tmp_path / "empty").tobytes() == b""
    assert np.asarray(mapped(tmp_path / "empty")).dtype == np.uint8
