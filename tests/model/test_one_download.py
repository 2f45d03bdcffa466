"""Several processes want one file: one of them brings it, the others wait, and nobody waits for the dead."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import CONTENT, Asked, Serving

SHA256 = hashlib.sha256(CONTENT).hexdigest()
WORK = """
import sys
from pathlib import Path
from xzoo.errors import XzooError
from xzoo.model.download import download
try:
    download(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
except XzooError as error:
    sys.exit(f"{error.kind}: {error.text}")
"""
PROCESSES = 8


class Crowd:
    """Processes that want one file; `held` is the one that the server is answering."""

    def __init__(self, server: Serving, path: Path) -> None:
        words = [sys.executable, "-c", WORK, f"{server.address}/net.pth", str(path), SHA256]
        self.processes = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
        self.waiting: list[subprocess.Popen[str]] = []
        self.others_wait = threading.Event()
        self.threads = [threading.Thread(target=self._listen, args=(one,), daemon=True) for one in self.processes]
        self.said: dict[int, str] = {}
        for thread in self.threads:
            thread.start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.said[process.pid] = self.said.get(process.pid, "") + line
            if line == "waiting for another process that fetches net.pth\n":
                self.waiting.append(process)
                if len(self.waiting) == PROCESSES - 1:
                    self.others_wait.set()

    @property
    def held(self) -> subprocess.Popen[str]:
        [one] = [process for process in self.processes if process not in self.waiting]
        return one

    def codes(self) -> list[int]:
        """Return how they ended, once all have."""
        return [process.wait(120) for process in self.processes]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for thread in self.threads:
            thread.join()
        for process in self.processes:
            assert process.stderr is not None
            process.stderr.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.pth"


@contextlib.contextmanager
def crowd(server: Serving, path: Path) -> Iterator[Crowd]:
    one = Crowd(server, path)
    try:
        yield one
    finally:
        one.close()


def left(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def test_of_eight_processes_one_asks_and_all_have_the_file(server: Serving, path: Path) -> None:
    may_answer = threading.Event()

    def answer(asked: Asked) -> None:
        asked.give(until=1000)
        asked.wfile.flush()
        may_answer.wait(120)
        asked.wfile.write(CONTENT[1000:])

    server.answer = answer
    with crowd(server, path) as many:
        assert many.others_wait.wait(120), many.said
        may_answer.set()
        assert many.codes() == [0] * PROCESSES, many.said
    assert (path.read_bytes(), server.ranges, left(path)) == (CONTENT, [""], ["net.pth"])


def test_where_the_one_is_killed_another_goes_on_with_what_it_had(server: Serving, path: Path) -> None:
    def answer(asked: Asked) -> None:
        if asked.headers["Range"]:
            asked.give()
        else:
            asked.give(until=60_000)
            asked.stall()

    server.answer = answer
    with crowd(server, path) as many:
        assert many.others_wait.wait(120), many.said
        many.held.kill()
        assert sorted(many.codes()) == [-9] + [0] * (PROCESSES - 1), many.said
    assert (path.read_bytes(), len(server.ranges), left(path)) == (CONTENT, 2, ["net.pth"])


def test_where_nobody_can_have_it_all_are_told(server: Serving, path: Path) -> None:
    server.answer = lambda asked: asked.head(404, Content_Length=0)
    with crowd(server, path) as many:
        assert many.codes() == [1] * PROCESSES, many.said
    assert all("weights: " in words and "answers 404" in words for words in many.said.values())
    assert (len(server.ranges), left(path)) == (PROCESSES, [])
