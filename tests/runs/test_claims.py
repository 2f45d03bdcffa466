"""One writer for each piece of work, whatever other processes do, and whatever their clocks say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from xzoo import durable, faults, owner
from xzoo.errors import StorageError
from xzoo.runs import claims as claiming
from xzoo.runs.claims import Claims

SOURCE = str(Path(durable.__file__).parents[1])
ELSEWHERE = owner.Owner("0123456789", 7, 7)
DEAD = owner.Owner(owner.machine(), 2**22 + 1, 5)

RACE = """
import sys, time
from pathlib import Path
from xzoo.runs.claims import Claims
folder, start, names = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
claims = Claims(folder)
time.sleep(max(0, start - time.time()))
print(*[name for name in names if claims.take(name)], flush=True)
sys.stdin.read()
"""
"""A process that takes what it can, and keeps it until its input is closed."""


def race(folder: Path, names: Sequence[str], num_processes: int) -> list[list[str]]:
    command = [sys.executable, "-c", RACE, str(folder), str(time.time() + 1.0), *names]
    started = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": SOURCE}
        )
        for _ in range(num_processes)
    ]
    taken = [one.stdout.readline().split() for one in started if one.stdout]
    for one in started:
        one.communicate()
    return taken


def claim_of(whose: owner.Owner, folder: Path, name: str, mark: str = "feed") -> Path:
    path = folder / f".{name}.claim"
    durable.create_file(path, json.dumps({"holder": str(whose), "mark": mark, "machine": "other"}).encode())
    return path


@pytest.fixture
def names() -> list[str]:
    return [f"cell{place}" for place in range(40)]


def test_of_several_processes_one_gets_each_claim(tmp_path: Path, names: list[str]) -> None:
    taken = race(tmp_path, names, 6)
    assert sorted(name for one in taken for name in one) == sorted(names)


def test_of_several_processes_one_takes_over_what_a_dead_one_had(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        claim_of(DEAD, tmp_path, name)
    taken = race(tmp_path, names, 6)
    assert sorted(name for one in taken for name in one) == sorted(names)


def test_what_a_killed_process_had_is_free_at_once_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path), "0", "cell"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": SOURCE}
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().split() == ["cell"]
        claims = Claims(tmp_path)
        assert not claims.is_free("cell")
        assert claims.holder("cell").startswith(f"process {other.pid} on ")
        assert not claims.take("cell")
        other.kill()
    assert claims.is_free("cell")
    assert claims.holder("cell") == ""
    assert claims.take("cell")
    claims.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shift_s", [-1e9, 0, 1e9])
def test_a_claim_of_another_machine_is_stale_without_a_pulse_whatever_its_clock_says(
    shift_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    path = claim_of(ELSEWHERE, tmp_path, "cell")
    claims = Claims(tmp_path, patience=60)
    begin = int((1e9 + shift_s) * 1e9)
    for beat in range(4):
        os.utime(path, ns=(begin - beat * 10**9, begin - beat * 10**9))  # its clock may even run backwards
        assert not claims.take("cell")
        now[0] += 50
    assert not claims.take("cell")
    now[0] += 20
    assert claims.take("cell")
    assert sorted(one.name for one in tmp_path.iterdir()) == [".cell.claim", ".cell.feed.claim"]
    claims.close()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_has_no_words_yet_is_somebodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    (tmp_path / ".cell.claim").write_bytes(b"")
    claims = Claims(tmp_path)
    assert not claims.take("cell")
    now[0] = claiming.STALE_SECONDS + 1
    assert claims.take("cell")


def test_who_comes_too_late_to_follow_a_claim_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = claim_of(DEAD, tmp_path, "cell")
    create = durable.create_file
    quick = Claims(tmp_path)

    def late(path: Path, data: bytes) -> bool:
        monkeypatch.setattr(durable, "create_file", create)
        stale.unlink()  # another took it over, ended, and gave it back
        assert quick.take("cell")
        return create(path, data)

    slow = Claims(tmp_path)
    monkeypatch.setattr(durable, "create_file", late)
    assert not slow.take("cell")
    assert [path.name for path in tmp_path.iterdir()] == [".cell.claim"]


def test_who_was_taken_over_gives_nothing_back(tmp_path: Path) -> None:
    slept, taker, third = Claims(tmp_path), Claims(tmp_path, patience=-1), Claims(tmp_path)
    assert slept.take("cell")
    [path] = tmp_path.iterdir()
    told = json.loads(path.read_bytes())
    path.write_text(json.dumps({**told, "holder": str(ELSEWHERE)}))
    assert taker.take("cell")
    slept.release("cell")
    assert not third.take("cell")
    taker.release("cell")
    assert list(tmp_path.iterdir()) == []
    assert third.take("cell")


def test_a_claim_is_kept_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "PULSE_SECONDS", 0.01)
    monkeypatch.setattr(claiming, "_pulse", claiming._Pulse())
    claims = Claims(tmp_path)
    assert claims.take("cell")
    [path] = tmp_path.iterdir()
    os.utime(path, (1, 1))
    for _ in range(1000):
        if path.stat().st_mtime > 1:
            break
        time.sleep(0.01)
    assert path.stat().st_mtime > 1
    claims.release("cell")


def test_a_claim_that_could_not_be_given_back_is_given_back_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = Claims(tmp_path)
    assert claims.take("cell")
    monkeypatch.setenv("XZOO_FAULT", "remove:1:EIO")
    faults.trial.cache_clear()
    with pytest.raises(StorageError):
        claims.release("cell")
    claims.close()
    faults.trial.cache_clear()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_left_on_finished_work_is_removed(tmp_path: Path) -> None:
    claim_of(DEAD, tmp_path, "cell")
    claim_of(ELSEWHERE, tmp_path, "other")
    claims = Claims(tmp_path)
    for name in ("cell", "other", "none"):
        claims.tidy(name)
    assert [path.name for path in tmp_path.iterdir()] == [".other.claim"]


def test_processes_are_told_apart_by_when_they_began() -> None:
    me = owner.this()
    assert me.is_dead() is False
    assert owner.parse(f".name.{me}-abc.tmp") == me
    assert DEAD.is_dead() is True
    assert ELSEWHERE.is_dead() is None
    if me.began:
        assert owner.Owner(me.machine, me.pid, me.began + 1).is_dead() is True
