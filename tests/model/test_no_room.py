"""A disk that has no room for a download: how much is needed is said, and what came is kept."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections import namedtuple
from pathlib import Path
from typing import IO, Any

import pytest

from serving import CONTENT, Serving
from xzoo import disk
from xzoo.errors import StorageError
from xzoo.model.download import download

SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.pth"


def test_a_disk_without_room_says_how_much_is_needed(server: Serving, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**6, 10**6, 9000))
    with pytest.raises(StorageError, match=r"cannot write .*net\.pth: the disk is full") as caught:
        download(server.address, path, SHA256)
    assert "128 kB" in caught.value.remedy
    assert "9 kB are" in caught.value.remedy


def test_a_disk_that_fills_on_the_way_says_how_much_more_and_keeps_what_came(
    server: Serving, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = disk.opened

    class Full:
        def __init__(self, file: IO[bytes]) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> None:
            self.file.write(data[: 50_000 - self.file.tell()])
            if self.file.tell() >= 50_000:
                raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(
        disk, "opened", lambda one, mode="w+b": Full(opened(one, mode)) if one.suffix == ".part" else opened(one, mode)
    )
    with pytest.raises(StorageError, match="the disk is full") as caught:
        download(server.address, path, SHA256)
    assert "free more than" in caught.value.remedy
    monkeypatch.setattr(disk, "opened", opened)
    download(server.address, path, SHA256)
    assert (path.read_bytes(), server.ranges) == (CONTENT, ["", "bytes=50000-"])
