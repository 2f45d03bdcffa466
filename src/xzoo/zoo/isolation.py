"""Work in a process of its own: what it does to its process it does to no other, and how that process ended is told.

`run` starts a fresh interpreter with this one's `sys.path`, in a session of its own, limited in memory and in the time from one
answer to the next. Nothing of it is left behind: its group is killed, and what has left the group is found by its environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xzoo.zoo.wording import plain

TOKEN = "XZOO_ISOLATED"
"""The variable by which processes that an isolated one has started are found."""

_START = "import sys; sys.path[:] = sys.argv[2:]; from xzoo.zoo.isolated import serve; serve(int(sys.argv[1]))"
_POLL_S = 0.05
_MOST_ANSWERS = 16_000_000
_MOST_OUTPUT = 16_000
_MOST_HUNTS = 100


@dataclass(frozen=True)
class Limits:
    """What an isolated process may take: seconds from its start or last answer to the next, private memory in 10^6 bytes."""

    seconds: float = 20.0
    memory_mb: int = 2_000


LIMITS = Limits()


@dataclass(frozen=True)
class Ending:
    """What an isolated process said and how it ended: no `fault` where its task returned; of what it printed, the end.

    `num_left` counts the processes that it had started and that were still running, where the system tells.
    """

    answers: tuple[Any, ...]
    fault: str
    output: str
    seconds: float
    num_left: int


@dataclass
class _Heard:
    answers: list[Any] = field(default_factory=list)
    unread: bytes = b""
    output: bytes = b""
    last: float = field(default_factory=time.monotonic)
    fault: str = ""
    num_bytes: int = 0
    done: bool = False

    def answer(self, data: bytes) -> None:
        self.num_bytes += len(data)
        if self.num_bytes > _MOST_ANSWERS:
            self.fault = f"answered more than {_MOST_ANSWERS:,} bytes"
            return
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            try:
                kind, value = json.loads(line)
            except (ValueError, TypeError, RecursionError):
                self.fault = "wrote into the pipe of the answers"
                return
            self.last = time.monotonic()
            if kind == "answer":
                self.answers.append(value)
            else:
                self.done, self.fault = kind == "done", f"raised {value}" if kind == "raised" else ""

    def print(self, data: bytes) -> None:
        self.output = (self.output + data)[-_MOST_OUTPUT:]


def run(
    task: str,
    request: Any,
    limits: Limits = LIMITS,
    on_answer: Callable[[Any], object] | None = None,
    variables: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
) -> Ending:
    """Run `task`, a function written `package.module:name`, in a process of its own, and return how that went.

    The function is called with `request` and with `tell`; what goes either way is plain values that JSON can hold. Every
    `tell(value)` becomes an answer, handed to `on_answer` when it comes, and renews the time. `variables` join the environment.
    Another thread may set `stop` to end it early. The line at which its time is nearly over is the last that it prints.
    """
    token = uuid.uuid4().hex
    began = time.monotonic()
    reading, writing = os.pipe()
    try:
        process = _started(task, request, limits, writing, {**os.environ, **(variables or {}), TOKEN: token})
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        heard = _listen(process, reading, limits, on_answer or (lambda _: None), stop or threading.Event())
    finally:
        os.close(reading)
        num_left = _end(process, token)
    fault = heard.fault or ("" if heard.done else _how_it_ended(process.returncode, limits))
    output = plain(heard.output.decode(errors="replace"))
    return Ending(tuple(heard.answers), fault, output, time.monotonic() - began, num_left)


def _started(task: str, request: Any, limits: Limits, writing: int, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        # -P: the interpreter's own modules come first until the path of this process is taken over.
        [sys.executable, "-P", "-c", _START, str(writing), *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(writing,),
        env=variables,
        start_new_session=True,
    )
    assert process.stdin is not None
    asked = {"task": task, "request": request, "memory": limits.memory_mb * 10**6, "seconds": limits.seconds}
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
        stdin.write(json.dumps(asked).encode())
    return process


def _listen(
    process: subprocess.Popen[bytes],
    reading: int,
    limits: Limits,
    on_answer: Callable[[Any], object],
    stop: threading.Event,
) -> _Heard:
    """Read what the process says until it has ended, its time is over, or it says what it must not."""
    heard = _Heard()
    assert process.stdout is not None
    with selectors.DefaultSelector() as ears:
        for descriptor, hear in ((reading, heard.answer), (process.stdout.fileno(), heard.print)):
            os.set_blocking(descriptor, False)
            ears.register(descriptor, selectors.EVENT_READ, hear)
        is_over = False
        while not heard.fault:
            told = len(heard.answers)
            _hear(ears, 0.0 if is_over else _POLL_S)
            for value in heard.answers[told:]:
                on_answer(value)
            if is_over:
                break
            # What it said last may still be in the pipes, so they are read once more.
            is_over = heard.done or process.poll() is not None
            if not is_over and time.monotonic() - heard.last > limits.seconds:
                heard.fault = f"took longer than {limits.seconds:g} s"
            heard.fault = heard.fault or ("was stopped" if stop.is_set() else "")
    return heard


def _hear(ears: selectors.BaseSelector, seconds: float) -> None:
    """Wait for something to be said, and hand on all that is there."""
    if not ears.get_map():
        time.sleep(seconds)
        return
    for key, _ in ears.select(seconds):
        with contextlib.suppress(BlockingIOError):
            if data := os.read(key.fd, 1 << 16):
                key.data(data)
            else:
                ears.unregister(key.fd)


def _end(process: subprocess.Popen[bytes], token: str) -> int:
    """Kill the process with all that it has started, also what has left its group; return how many of these there were."""
    marker = f"{TOKEN}={token}".encode()
    num_left = sum(number != process.pid for number in _marked(marker))
    # The kernel kills a group at once: none of its members can start another meanwhile.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    for _ in range(_MOST_HUNTS):
        if not (found := _marked(marker)):
            break
        for number in found:
            with contextlib.suppress(OSError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.01)
    return num_left


def _marked(marker: bytes) -> list[int]:
    """Return the processes whose environment holds the marker; none is found where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if marker in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found


def _how_it_ended(code: int | None, limits: Limits) -> str:
    if code is None or code >= 0:
        return f"ended the process with exit code {code}"
    if code == -signal.SIGKILL:
        return f"was killed, most likely for taking more than {limits.memory_mb:,} MB of memory"
    what = {signal.SIGSEGV: "a segmentation fault", signal.SIGABRT: "an abort", signal.SIGBUS: "a bus error"}.get(
        signal.Signals(-code), f"the signal {_name(-code)}"
    )
    return f"ended the process with {what}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
