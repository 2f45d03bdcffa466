"""Images decoded in processes of their own: a crash ends one of these, and the kernel ends one that computes for too long.

A process costs a fifth of a second to start and then a copy of the pixels per image, so it is kept for the next image.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from xzoo.data import limits
from xzoo.data.image_file import UnreadableImageError, read_image
from xzoo.data.items import Decoded

MOST_MEMORY = 4_000_000_000
"""Bytes of private memory that one decoding process may take: an image of 100 million pixels with transparency needs half."""

WAIT_SECONDS = 300.0
"""For an answer. Computing ends much sooner; this is for a disk that hangs."""

_START = "import sys; sys.path[:] = sys.argv[1:]; from xzoo.data.apart import serve; serve()"
_LENGTH = struct.Struct("<Q")
_TYPES = {"|u1": np.uint8, "<u2": np.uint16}


class _Process:
    """One process that decodes the files it is told of, one after the other."""

    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._asks, self._answers = self._popen.stdin, self._popen.stdout

    def decode(self, path: Path, name: str) -> Decoded:
        """Return a file's pixels. Raises UnreadableImageError, and EOFError where the process has ended or does not answer."""
        with contextlib.suppress(BrokenPipeError):  # its end is told below
            _send(self._asks, json.dumps(os.fspath(path)).encode())
        if not select.select([self._answers], [], [], WAIT_SECONDS)[0]:
            raise EOFError(f"it could not be read within {WAIT_SECONDS:g} s")
        head = json.loads(_receive(self._answers))
        if fault := head.get("fault"):
            raise UnreadableImageError(name, fault)
        values = np.frombuffer(_receive(self._answers), _TYPES[head["type"]])
        return Decoded(values.reshape(head["shape"]), tuple(head["notes"]))

    def end(self) -> str:
        """End the process and return how it had ended by itself, or nothing."""
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._popen.wait(0.2)
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._asks, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()
        if code == -signal.SIGPROF:
            return f"decoding it takes more than {limits.CPU_SECONDS:g} s of computing"
        if code is not None and code < 0:
            return f"its bytes end the decoder ({signal.Signals(-code).name})"
        return ""


_idle: queue.LifoQueue[_Process] = queue.LifoQueue()


def decode(path: Path, name: str) -> Decoded:
    """Return an image file's pixels as `read_image` does, decoded in another process. Raises UnreadableImageError."""
    try:
        process = _idle.get_nowait()
    except queue.Empty:
        process = _Process()
    try:
        found = process.decode(path, name)
    except EOFError as error:
        raise UnreadableImageError(name, process.end() or str(error) or "its bytes end the decoder") from None
    except UnreadableImageError:
        _idle.put(process)
        raise
    except BaseException:
        process.end()
        raise
    _idle.put(process)
    return found


def release() -> None:
    """End the processes that wait for an image."""
    with contextlib.suppress(queue.Empty):
        while True:
            _idle.get_nowait().end()


atexit.register(release)


def serve() -> None:
    """Decode what stdin asks for and answer on stdout, until stdin ends. The counterpart of `decode`."""
    asks, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    _take_limits()
    with contextlib.suppress(EOFError):
        while True:
            path = json.loads(_receive(asks))
            signal.setitimer(signal.ITIMER_PROF, limits.CPU_SECONDS)
            head, values = _answer(Path(path))
            signal.setitimer(signal.ITIMER_PROF, 0)
            _send(answers, json.dumps(head).encode())
            if values is not None:
                _send(answers, values)


def _answer(path: Path) -> tuple[dict[str, Any], bytes | None]:
    try:
        found = read_image(path, "")
    except UnreadableImageError as error:
        return {"fault": error.reason}, None
    except MemoryError:
        return {"fault": f"decoding it takes more than {MOST_MEMORY // 10**9} GB of memory"}, None
    pixels = np.ascontiguousarray(found.pixels)
    return {"type": pixels.dtype.str, "shape": pixels.shape, "notes": found.notes}, pixels.tobytes()


def _take_limits() -> None:
    import resource

    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, MOST_MEMORY)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def _send(pipe: BinaryIO | Any, data: bytes) -> None:
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: BinaryIO | Any) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    return _exactly(pipe, length)


def _exactly(pipe: BinaryIO | Any, length: int) -> bytes:
    data: bytes = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data
