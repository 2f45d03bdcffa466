"""How the command line ends when it does not end well: an exit code, and one screen or one JSON object."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TextIO

import click

from xzoo.errors import StorageError, UnavailableError, UsageError, XzooError
from xzoo.zoo import wording

PIPE_CLOSED = 141
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class Terminated(KeyboardInterrupt):
    """The process was asked to end; passes wherever an interrupt passes."""


class _InterruptedError(XzooError):
    kind = "interrupted"
    exit_code = 130


class _TerminatedError(XzooError):
    kind = "terminated"
    exit_code = 143


class _BugError(XzooError):
    kind = "bug"
    exit_code = 70


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack as an interrupt does, so that nothing stays half-written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def tell(error: BaseException, json_to: TextIO | None, *, debug: bool) -> int:
    """Say what happened, as JSON to `json_to` or as a screen on stderr, and return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, BrokenPipeError):
        # What is still in the buffer would fail again when the interpreter closes stdout.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    known = _explained(error)
    if debug:
        traceback.print_exception(error)
    if json_to is not None:
        import msgspec

        screen = {"schema": "xzoo.error/1", "kind": known.kind, "text": known.text, "remedy": known.remedy}
        # A file's name may hold bytes that are no text, and JSON cannot.
        whole = {key: text.encode(errors="backslashreplace").decode() for key, text in screen.items()}
        json_to.write(msgspec.json.encode(whole).decode() + "\n")
        json_to.flush()
    else:
        sys.stderr.write(_screen(known))
    return known.exit_code


def _explained(error: BaseException) -> XzooError:
    if isinstance(error, XzooError):
        return error
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        return UsageError(error.format_message(), f"see {context.command_path if context else 'xzoo'} --help")
    if isinstance(error, KeyboardInterrupt | click.Abort | EOFError):
        stopped = _TerminatedError if isinstance(error, Terminated) else _InterruptedError
        return stopped(stopped.kind, "run the same command again: it goes on from what is kept")
    return _exhausted(error) or _BugError(
        f"a bug in xzoo: {type(error).__name__}: {_line(error)}{_place(error)}",
        "run it again with --debug, and report what it prints to xzoo's issue tracker",
    )


def _exhausted(error: BaseException) -> XzooError | None:
    """Return the error for memory or a disk that has run out; torch's own kind is known by its name, without importing torch."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        detail = f": {_line(error)}" if str(error) else ""
        return UnavailableError(f"memory ran out{detail}", "use a smaller batch, smaller images or a smaller backbone")
    if isinstance(error, OSError) and error.errno in _DISK:
        place = f" {error.filename}" if error.filename else ""
        return StorageError(f"cannot write{place}: {error.strerror}", "free some space, or choose another place")
    return None


def _screen(error: XzooError) -> str:
    bold, plain = ("\033[1;31m", "\033[0m") if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else ("", "")
    # Names come from strangers' files and folders, and a terminal obeys what it is shown.
    text, remedy = wording.plain(error.text), wording.plain(error.remedy)
    return f"{bold}error:{plain} {text}\n" + (f"  {remedy}\n" if remedy else "")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Terminated
