"""XZOO_FAULT: every change of a disk is a counted point, each can fail, and a loss of power takes what was not flushed."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from xzoo import durable, faults, owner
from xzoo.errors import StorageError, UsageError
from xzoo.faults import ANY, POINTS, Fault, parse

CELL = {"result.json": b"{}" * 50, "predictions.npz": bytes(range(200))}


@pytest.fixture(autouse=True)
def _a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the points stand before it, and a disk takes its time
    faults.trial.cache_clear()
    yield
    faults.trial.cache_clear()


@pytest.fixture
def under(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put this process under a fault, and count from 1."""

    def begin(words: str) -> None:
        monkeypatch.setenv(faults.VARIABLE, words)
        faults.trial.cache_clear()

    return begin


def work(place: Path) -> None:
    """Write once by every way that durable has; each returns when what it did would survive a loss of power."""
    durable.write_bytes(place / "new" / "er" / "file", b"first")
    durable.write_bytes(place / "deep" / "one", b"new " * 20)
    with durable.new_folder(place / "cell") as folder:
        for name, data in CELL.items():
            durable.fill_bytes(folder / name, data)
        with durable.fill_file(folder / "rows.bin", 64) as file:
            file.seek(32)
            file.write(bytes(32))
        (folder / "foreign").write_bytes(b"by a library")
    with durable.append_file(place / "part") as file:
        file.write(b"more"[file.seek(0, os.SEEK_END) :])
    durable.put_in_place(place / "part", place / "whole")
    durable.remove(place / "old")


def prepared(place: Path) -> None:
    (place / "deep").mkdir()
    (place / "deep" / "one").write_bytes(b"before")
    (place / "old").mkdir()
    (place / "old" / "file").write_bytes(b"x")


def check(place: Path) -> None:
    """Nothing is half: each thing is as it was, as it should be, or absent, and what came first is there first."""
    there = {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    stages = [
        there.get("new/er/file") == b"first",
        there["deep/one"] == b"new " * 20,
        durable.is_whole(place / "cell"),
        b"more" in {there.get("part"), there.get("whole")},
        there.get("whole") == b"more",
        not (place / "old").exists(),
    ]
    assert stages == sorted(stages, reverse=True)
    assert (place / "deep" / "one").read_bytes() in {b"before", b"new " * 20}
    if (place / "cell").exists():
        assert durable.is_whole(place / "cell")
        assert {path.name for path in (place / "cell").iterdir()} == {*CELL, "rows.bin", "foreign", durable.MANIFEST}
    if (place / "whole").exists():
        assert (place / "whole").read_bytes() == b"more"
    if (place / "part").exists():
        assert b"more".startswith((place / "part").read_bytes())


def count(place: Path, under: Callable[[str], None]) -> dict[str, int]:
    under(f"{ANY}:999999:EIO")
    place.mkdir()
    prepared(place)
    work(place)
    found = faults.trial()
    assert found is not None
    return dict(found.counts)


def test_every_kind_of_point_is_passed_and_the_count_repeats(tmp_path: Path, under: Callable[[str], None]) -> None:
    first, second = (count(tmp_path / name, under) for name in "ab")
    assert first == second
    assert first.keys() == {*POINTS, ANY}
    assert sum(first[point] for point in POINTS) == first[ANY]


@pytest.mark.parametrize("error", faults.ERRORS)
def test_at_every_point_a_failing_disk_is_told_and_leaves_nothing_half(
    error: str, tmp_path: Path, under: Callable[[str], None]
) -> None:
    total = count(tmp_path / "counted", under)[ANY]
    for number in range(1, total + 1):
        place = tmp_path / str(number)
        place.mkdir()
        prepared(place)
        under(f"{ANY}:{number}:{error}")
        with pytest.raises(StorageError) as caught:
            work(place)
        assert str(place) in caught.value.text
        assert caught.value.remedy
        assert caught.value.exit_code == 5
        check(place)
        assert not [path for path in place.rglob(".*") if path.suffix in {".tmp", ".old"} and not path.name.startswith(".old.")]
        work(place)
        check(place)
        assert (place / "whole").exists()


@pytest.mark.parametrize("point", POINTS)
def test_the_kinds_are_counted_apart_and_a_lasting_fault_stays(point: str, tmp_path: Path, under: Callable[[str], None]) -> None:
    total = count(tmp_path / "counted", under)[point]
    place = tmp_path / "place"
    place.mkdir()
    prepared(place)
    under(f"{point}:{total}+:EROFS")
    for _ in range(2):
        with pytest.raises(StorageError, match="read-only"):
            work(place)
    check(place)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_loss_of_power_leaves_what_was_there_or_what_should_be(tmp_path: Path, under: Callable[[str], None]) -> None:
    total = count(tmp_path / "counted", under)[ANY]
    for number in range(1, total + 1, 2):
        place = tmp_path / str(number)
        place.mkdir()
        prepared(place)
        pid = os.fork()
        if pid == 0:
            under(f"{ANY}:{number}:torn")
            work(place)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        check(place)
        faults.trial.cache_clear()
        under(f"{ANY}:999999:EIO")
        work(place)
        check(place)
        hidden = [path.name for path in place.rglob(".*")]
        assert hidden == [], f"{number}: what a killed process left is swept by the next"


def lost(body: str, words: str, place: Path) -> int:
    code = f"import os, sys\nfrom pathlib import Path\nfrom xzoo import disk, durable\nplace = Path({str(place)!r})\n{body}"
    source = str(Path(durable.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source, "XZOO_FAULT": words}, check=False
    )
    return done.returncode


@pytest.mark.parametrize(
    ("body", "words", "left"),
    [
        ("with disk.opened(place / 'a') as file: file.write(b'12345678')", "write:1:torn", {"a": b"1234"}),
        (
            "with disk.opened(place / 'a') as file: file.write(b'1234')\ndisk.rename(place / 'a', place / 'b')\n"
            "disk.sync_folder(place)\ndurable.remove(place / 'none')",
            "remove:1:torn",
            {"b": b""},
        ),
        (
            "durable.write_bytes(place / 'a', b'1')\ndurable.write_bytes(place / 'b', b'2')\n"
            "disk.rename(place / 'b', place / 'a')\ndurable.remove(place / 'none')",
            "remove:1:torn",
            {"a": b"1", "b": b"2"},
        ),
        ("(place / 'c').mkdir()\nos.rmdir(place / 'c')\ndisk.sync_folder(place)", "fsync:1:torn", {}),
    ],
)
def test_the_imitation_is_as_merciless_as_it_says(body: str, words: str, left: dict[str, bytes], tmp_path: Path) -> None:
    assert lost(body, words, tmp_path) == -signal.SIGKILL
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == left


@pytest.mark.parametrize(
    "words", ["write", "write:0:EIO", "write:-1:EIO", "write:1:EFOO", "read:1:EIO", "any:x:torn", "any:1:EIO:2"]
)
def test_a_fault_that_nobody_can_mean_is_wrong_use(
    words: str, capsys: pytest.CaptureFixture[str], under: Callable[[str], None]
) -> None:
    from xzoo.cli import main

    with pytest.raises(UsageError, match=f"XZOO_FAULT={words} names no fault"):
        parse(words)
    under(words)
    assert main(["list"]) == 2
    told = capsys.readouterr().err
    assert "XZOO_FAULT" in told
    assert len(told.splitlines()) < 5
    assert "Traceback" not in told


def test_words_of_a_fault_are_read_as_written() -> None:
    assert parse("any:12:torn") == Fault("any", 12, "torn")
    assert parse("write:7+:ENOSPC") == Fault("write", 7, "ENOSPC", lasts=True)


def test_without_a_fault_files_are_the_systems_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(faults.VARIABLE, raising=False)
    with durable.fill_file(tmp_path / "file") as file:
        assert type(file) is io.BufferedRandom
        assert type(file.raw) is io.FileIO
    assert faults.trial() is None


def test_numpy_does_not_write_past_the_points(tmp_path: Path, under: Callable[[str], None]) -> None:
    under("write:2:EIO")
    with pytest.raises(StorageError, match="cannot write"), durable.fill_file(tmp_path / "file") as file:
        np.save(file, np.zeros((2, 100_000)))


def test_what_a_library_writes_by_itself_passes_its_point_when_the_folder_is_flushed(
    tmp_path: Path, under: Callable[[str], None]
) -> None:
    under("write:1:ENOSPC")
    with pytest.raises(StorageError, match="the disk is full"), durable.new_folder(tmp_path / "folder") as folder:
        (folder / "events").write_bytes(b"1234")
    found = faults.trial()
    assert found is not None
    assert found.counts["fsync"] == 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_what_is_needed_and_where(tmp_path: Path, under: Callable[[str], None]) -> None:
    under("write:1+:ENOSPC")
    with pytest.raises(StorageError) as caught:
        durable.write_bytes(tmp_path / "file", bytes(2_500_000))
    assert caught.value.text == f"cannot write {tmp_path / 'file'}: the disk is full"
    assert f"free more than 2.5 MB on the disk of {tmp_path}, where " in caught.value.remedy
    under("write:1:EDQUOT")
    with pytest.raises(StorageError, match="quota") as caught:
        durable.write_bytes(tmp_path / "file", bytes(1500))
    assert caught.value.remedy == f"free more than 1.5 kB of what you may use at {tmp_path}, or choose another place"


def test_space_is_taken_before_a_large_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(handle: int, begin: int, size: int) -> None:
        asked.append(size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    with (
        pytest.raises(StorageError, match=f"cannot write {tmp_path / 'rows' / 'rows.bin'}: the disk is full") as caught,
        durable.new_folder(tmp_path / "rows") as folder,
        durable.fill_file(folder / "rows.bin", 3_000_000_000) as file,
    ):
        file.write(b"never")
    assert asked == [3_000_000_000]
    assert "free more than 3 GB" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_what_makes_way_comes_back_where_nothing_took_its_place(tmp_path: Path, under: Callable[[str], None]) -> None:
    folder = tmp_path / "cell"
    for text, fault in ((b"one", "remove:99:EIO"), (b"two", "rename:3:EIO")):
        under(fault)
        with contextlib.suppress(StorageError), durable.new_folder(folder) as made:
            durable.fill_bytes(made / "a", text)
    assert (folder / "a").read_bytes() == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["cell"]


def test_what_a_killed_process_put_aside_comes_back_too(tmp_path: Path) -> None:
    ended = owner.Owner(owner.machine(), 2**22 + 1, 5)
    for name in (f".a.b.{ended}-x.old", f".c.{ended}-x.old", "c", f".d.{owner.this()}-x.old", ".e.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").write_bytes(b"")
    durable.write_bytes(tmp_path / "file", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([".e.old", f".d.{owner.this()}-x.old", "a.b", "c", "file"])
