"""What code does beside its work: what it prints and warns of, which files and addresses it touches, what it leaves changed."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import sysconfig
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NETWORK = {
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.sendto",
    "socket.bind",
}
_PROCESSES = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
_WRITES = {
    *("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.utime"),
    *("shutil.copyfile", "shutil.move", "shutil.rmtree", "tempfile.mkstemp", "tempfile.mkdtemp"),
}
_CODE = {".py", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".egg-link"}
_OF_THE_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr/share", "/usr/lib")


@dataclass
class Heard:
    """What was noticed during one thing that code was asked to do. `touched` are files and addresses, each in words."""

    during: str
    printed: str = ""
    warned: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


class OfflineError(ConnectionError):
    """The network is not there."""


@dataclass(frozen=True)
class _Ear:
    """Where things are noted, what may be read, and the threads that were there before, whose work is nobody's here."""

    touched: list[str]
    readable: tuple[str, ...]
    strangers: frozenset[int | None]


_ears: list[_Ear] = []
_state = {"installed": False}


@contextlib.contextmanager
def watched(during: str, own_folders: tuple[str, ...] = ()) -> Iterator[Heard]:
    """Notice what is done inside; the network is not there meanwhile. Files below `own_folders` may be read.

    What other threads do that ran before is not noticed.
    """
    heard = Heard(during)
    printed = io.StringIO()
    if not _state["installed"]:
        # A hook cannot be taken away again; without ears it returns at once.
        sys.addaudithook(_overhear)
        _state["installed"] = True
    # Of the system, since Python gives the number of a thread that ended to the next one.
    strangers = frozenset(thread.native_id for thread in threading.enumerate()) - {threading.get_native_id()}
    _ears.append(_Ear(heard.touched, (*_readable(), *own_folders), strangers))
    try:
        with warnings.catch_warnings(record=True) as warned, contextlib.ExitStack() as streams:
            warnings.simplefilter("always")
            streams.enter_context(contextlib.redirect_stdout(printed))
            streams.enter_context(contextlib.redirect_stderr(printed))
            yield heard
    finally:
        _ears.pop()
        heard.printed = printed.getvalue()
        heard.warned = [f"{one.category.__name__}: {' '.join(str(one.message).split())[:200]}" for one in warned]


def _overhear(event: str, arguments: tuple[Any, ...]) -> None:
    if not _ears:
        return
    touched, readable = _ears[-1].touched, _ears[-1].readable
    if threading.get_native_id() in _ears[-1].strangers:
        return
    if event in _NETWORK:
        address = arguments[1] if event.startswith("socket.c") or event == "socket.sendto" else arguments[0]
        touched.append(f"asks the network for {address}")
        raise OfflineError("there is no network here")
    if event in _PROCESSES:
        touched.append(f"starts a process ({event} {_word(arguments[0]) if arguments else ''})")
    elif event in _WRITES and "__pycache__" not in str(arguments):
        touched.append(f"writes: {event} {_word(arguments[0])}")
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path, flags = os.path.abspath(os.fsdecode(arguments[0])), arguments[2] or 0  # noqa: PTH100
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and "__pycache__" not in path and not path.startswith("/dev/"):
            touched.append(f"writes {path}")
        elif os.path.splitext(path)[1] not in _CODE and not path.startswith((*_OF_THE_SYSTEM, *readable)):  # noqa: PTH122
            touched.append(f"reads {path}")


def _readable() -> tuple[str, ...]:
    """Return the folders of the interpreter and of what is installed, the working directory apart."""
    here = Path.cwd()
    places = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *(place for place in sys.path if place)}
    return tuple(str(Path(place).resolve()) + os.sep for place in places if Path(place).resolve() != here)


def _word(value: Any) -> str:
    return " ".join(str(value).split())[:200]
