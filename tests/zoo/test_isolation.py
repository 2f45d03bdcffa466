"""What is done in an isolated process stays there, ends, and is told."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from xzoo.zoo.isolation import TOKEN, Ending, Limits, run

TASKS = """
import os, signal, sys, threading, time

def answers(request, tell):
    print("printed")
    tell(request)
    tell(os.environ["MORE"])

def raises(request, tell):
    tell(1)
    raise ValueError("half way")

def exits(request, tell):
    sys.exit(7)

def leaves(request, tell):
    tell(1)
    os._exit(3)

def crashes(request, tell):
    import ctypes
    ctypes.string_at(0)

def hangs(request, tell):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(1)
    while True:
        pass

def speaks(request, tell):
    for number in range(3):
        time.sleep(0.4)
        tell(number)

def grows(request, tell):
    kept = []
    while True:
        kept.append(bytes(10_000_000))

def forks(request, tell):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
    tell(1)

def floods(request, tell):
    for _ in range(100_000):
        print("x" * 100)
    print("the end")

def closes(request, tell):
    os.closerange(0, 100)
    tell(1)

def starts_a_thread(request, tell):
    threading.Thread(target=time.sleep, args=(60,)).start()
    tell(1)

def forges(request, tell):
    os.write(int(sys.argv[1]), b"no answer\\n")
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "isolated_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))


def done(task: str, request: object = None, seconds: float = 20.0, **variables: str) -> Ending:
    return run(f"isolated_tasks:{task}", request, Limits(seconds, memory_mb=500), variables=variables)


def test_answers_come_back_as_they_are_told_and_prints_beside_them() -> None:
    heard: list[object] = []
    request = {"text": "ä", "number": 1.5, "nothing": None}
    found = run("isolated_tasks:answers", request, on_answer=heard.append, variables={"MORE": "more"})
    assert (found.answers, found.fault, found.output) == ((request, "more"), "", "printed\n")
    assert heard == [request, "more"]


@pytest.mark.parametrize(
    ("task", "answers", "fault"),
    [
        ("raises", (1,), "raised ValueError: half way"),
        ("exits", (), "raised SystemExit: 7"),
        ("leaves", (1,), "ended the process with exit code 3"),
        ("crashes", (), "ended the process with a segmentation fault"),
        ("grows", (), "raised MemoryError"),
        ("closes", (), "ended the process with exit code 1"),
        ("forges", (), "wrote into the pipe of the answers"),
        ("starts_a_thread", (1,), ""),
        ("not_there", (), "raised AttributeError: module 'isolated_tasks' has no attribute 'not_there'"),
    ],
)
def test_every_way_to_end_has_its_words(task: str, answers: tuple[object, ...], fault: str) -> None:
    found = done(task)
    assert (found.answers, found.fault) == (answers, fault)


def test_what_hangs_is_killed_when_its_time_is_over() -> None:
    found = done("hangs", seconds=0.7)
    assert (found.answers, found.fault) == ((1,), "took longer than 0.7 s")


def test_every_answer_renews_the_time() -> None:
    found = done("speaks", seconds=0.9)
    assert (found.answers, found.fault) == ((0, 1, 2), "")
    assert found.seconds > 0.9


def test_a_flood_of_words_is_read_to_its_end_and_only_that_is_kept() -> None:
    found = done("floods")
    assert found.fault == ""
    assert found.output.endswith("the end\n")
    assert len(found.output) < 20_000


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc")
def test_what_has_left_the_group_of_an_isolated_process_is_ended_too() -> None:
    found = done("forks", MARK="forked")
    assert found.answers == (1,)
    time.sleep(0.05)
    assert living(b"MARK=forked") == []


def living(word: bytes) -> list[int]:
    pids = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            pids += [int(entry.parent.name)] if word in entry.read_bytes() else []
        except OSError:
            continue
    return pids


def test_the_asker_keeps_its_environment() -> None:
    before = dict(os.environ)
    done("leaves", MORE="1")
    assert dict(os.environ) == before
    assert TOKEN not in os.environ
