from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from xzoo import durable, unfinished
from xzoo.errors import StorageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(code: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_what_is_written_is_there_whole_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    for data in (b"first", b"second, longer", b""):
        durable.write_bytes(path, data)
        assert path.read_bytes() == data
    assert names(path.parent) == ["file.bin"]
    mask = os.umask(0o077)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_until_it_is_whole_a_reader_sees_what_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write_bytes(path, b"old")

    def write(file: IO[bytes]) -> None:
        file.write(b"ne")
        file.flush()
        assert path.read_bytes() == b"old"
        file.write(b"w")

    durable.write_file(path, write)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError("half-way"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write_bytes(path, b"old")

    def write(file: IO[bytes]) -> None:
        file.write(b"new")
        raise error

    with pytest.raises(type(error)):
        durable.write_file(path, write)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EIO: os.strerror(errno.EIO),
}


@pytest.mark.parametrize(("code", "text"), CAUSES.items())
def test_a_failing_disk_is_a_storage_error_that_names_file_and_cause(
    code: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    durable.write_bytes(path, b"old")
    monkeypatch.setattr(os, "fsync", failing(code))
    with pytest.raises(StorageError) as caught:
        durable.write_bytes(path, b"new")
    monkeypatch.undo()
    assert caught.value.text == f"cannot write {path}: {text}"
    assert caught.value.remedy
    assert caught.value.exit_code == 5
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_bytes_reach_the_disk_before_the_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112
        fsync(handle)

    def replaced(self: Path, target: Path) -> Path:
        done.append("replace")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    durable.write_bytes(tmp_path / "file", b"data")
    assert done == ["file", "replace", "folder"]


def test_a_process_that_dies_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write_bytes(path, b"old")
    code = (
        "import os, pathlib, sys; from xzoo import durable\n"
        "def write(file): file.write(b'new'); file.flush(); os._exit(9)\n"
        "durable.write_file(pathlib.Path(sys.argv[1]), write)"
    )
    source = str(Path(durable.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code, str(path)], env={**os.environ, "PYTHONPATH": source}, check=False)
    assert done.returncode == 9
    assert path.read_bytes() == b"old"


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    for path in (tmp_path / "taken" / "file", tmp_path / "taken" / "deep" / "file"):
        with pytest.raises(StorageError, match="a file stands where a folder is needed"):
            durable.write_bytes(path, b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="a folder stands where a file is needed"):
        durable.write_bytes(tmp_path / "folder", b"")
    assert names(tmp_path) == ["folder", "taken"]


def filled(folder: Path, **files: str) -> Path:
    with durable.new_folder(folder) as temporary:
        assert not folder.exists() or names(folder) != sorted(files)
        (temporary / "deep").mkdir()
        for name, text in files.items():
            (temporary / "deep" / name).write_text(text)
    return folder


def test_a_folder_appears_whole_with_the_digest_of_each_file(tmp_path: Path) -> None:
    folder = filled(tmp_path / "cell", a="one", b="two")
    assert durable.is_whole(folder)
    digests = json.loads((folder / durable.MANIFEST).read_text())
    assert digests == {f"deep/{name}": durable.sha256(folder / "deep" / name) for name in "ab"}
    assert names(tmp_path) == ["cell"]


def test_a_folder_that_was_not_finished_never_appears(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        filled(tmp_path / "cell", a="one", b=None)  # type: ignore[arg-type]
    assert names(tmp_path) == []


def test_a_new_folder_replaces_what_an_earlier_attempt_left(tmp_path: Path) -> None:
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / "rest").write_text("half")
    assert names(filled(tmp_path / "cell", a="one")) == ["deep", durable.MANIFEST]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: cut(folder / "deep" / "a"),
        lambda folder: (folder / "deep" / "a").write_text("eno"),
        lambda folder: (folder / "deep" / "a").unlink(),
        lambda folder: (folder / durable.MANIFEST).unlink(),
        lambda folder: cut(folder / durable.MANIFEST),
        lambda folder: (folder / durable.MANIFEST).write_text("[]"),
        lambda folder: (folder / durable.MANIFEST).write_text('{"deep/a": 3}'),
    ],
)
def test_a_folder_with_other_bytes_is_not_whole(damage: Callable[[Path], object], tmp_path: Path) -> None:
    folder = filled(tmp_path / "cell", a="one")
    damage(folder)
    assert not durable.is_whole(folder)
    assert not durable.is_whole(tmp_path / "absent")


def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(StorageError, match=f"cannot write {tmp_path / 'cell'}.*: the disk is full"):
        filled(tmp_path / "cell", a="one")
    assert names(tmp_path) == []


def test_removing_takes_what_is_there_and_no_more(tmp_path: Path) -> None:
    folder = filled(tmp_path / "cell", a="one")
    (tmp_path / "link").symlink_to(folder)
    durable.remove(tmp_path / "link")
    assert durable.is_whole(folder)
    durable.remove(folder / "deep" / "a")
    for _ in range(2):
        durable.remove(folder)
    assert names(tmp_path) == []


def test_a_whole_folder_that_another_process_put_in_place_meanwhile_stays(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    with durable.new_folder(folder, lambda: durable.is_whole(folder)) as late:
        (late / "data").write_bytes(b"late")
        with durable.new_folder(folder) as early:
            (early / "data").write_bytes(b"early")
        inode = (folder / "data").stat().st_ino
    assert (folder / "data").stat().st_ino == inode
    assert (folder / "data").read_bytes() == b"early"
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_a_folder_that_never_makes_way_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry" / "old").write_bytes(b"")
    monkeypatch.setattr(unfinished, "put_aside", lambda *_: None)
    with (
        pytest.raises(StorageError, match=r"cannot write .*entry: Directory not empty"),
        durable.new_folder(tmp_path / "entry") as temporary,
    ):
        (temporary / "new").write_bytes(b"")


def test_only_what_stands_as_it_was_written_may_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "made"
    assert durable.may_replace(folder, "*")
    with durable.new_folder(folder) as made:
        (made / "a.bin").write_bytes(b"a")
    assert durable.may_replace(folder, "*")
    (folder / "b").mkdir()
    assert durable.may_replace(folder, "*"), "an empty folder in it is nobody's work"
    (folder / "b" / "mine.txt").write_text("mine")
    assert not durable.may_replace(folder, "*")
    (folder / "b" / "mine.txt").unlink()
    (folder / "a.bin").write_bytes(b"edited")
    assert not durable.may_replace(folder, "*")
    assert not durable.may_replace(folder / "a.bin", "*")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    assert [durable.may_replace(tmp_path / name, "*") for name in ("empty", "link")] == [True, False]
    monkeypatch.chdir(tmp_path / "empty")
    assert not durable.may_replace(Path(), "*")


def test_what_another_command_wrote_is_not_replaced(tmp_path: Path) -> None:
    with durable.new_folder(tmp_path / "cell") as made:
        (made / "result.json").write_bytes(b"{}")
    with durable.new_folder(tmp_path / "maps") as made:
        (made / "00001-a.png").write_bytes(b"")
    assert [durable.may_replace(tmp_path / name, "*.png") for name in ("cell", "maps", "new")] == [False, True, True]
