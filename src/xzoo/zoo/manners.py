"""What importing a plugin must leave as it was: the state that all code in a process shares."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Trait:
    """One piece of shared state: what a change to it is called, how it is read, and how it is put back where that can be done."""

    change: str
    read: Callable[[], Any]
    put_back: Callable[[Any], object] = lambda before: None  # noqa: ARG005


@contextlib.contextmanager
def kept() -> Iterator[list[str]]:
    """Put back what the block changes of this process, and name the changes in the list that is yielded, once it has ended."""
    changes: list[str] = []
    before = [_read(trait) for trait in _TRAITS]
    try:
        yield changes
    finally:
        for trait, value in zip(_TRAITS, before, strict=True):
            if _read(trait) != value:
                changes.append(trait.change)
                with contextlib.suppress(Exception):
                    trait.put_back(value)


def _read(trait: _Trait) -> Any:
    try:
        return trait.read()
    except Exception as error:
        # A working folder that was removed, a stream that was closed: that too is a state.
        return type(error)


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _set_handlers(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        # A handler that was not set from Python reads as None, and cannot be set from it.
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _set_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _locale() -> str:
    import locale

    return locale.setlocale(locale.LC_ALL)


def _set_locale(before: str) -> None:
    import locale

    locale.setlocale(locale.LC_ALL, before)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _errors() -> list[Any]:
    """Return the filters that make an error of every warning."""
    return [one for one in warnings.filters if one[0] == "error" and one[1] is None and one[2] is Warning and one[3] is None]


def _set_errors(before: list[Any]) -> None:
    new = [one for one in _errors() if one not in before]
    rest = [one for one in warnings.filters if one not in new]
    # Only a reset makes modules forget what they have concluded from the filters.
    warnings.resetwarnings()
    warnings.filters.extend(rest)  # type: ignore[attr-defined]


def _stream(name: str) -> Callable[[], Any]:
    def read() -> Any:
        stream = getattr(sys, name)
        return stream, getattr(stream, "closed", True)

    return read


def _put_stream(name: str) -> Callable[[Any], None]:
    return lambda before: setattr(sys, name, before[0])


def _open_descriptors() -> list[tuple[int, int]]:
    return [os.fstat(descriptor)[1:3] for descriptor in (0, 1, 2)]


def _num_threads() -> int:
    return sum(not thread.daemon for thread in threading.enumerate())


def _has_children() -> bool:
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _attribute(owner: Any, name: str, change: str) -> _Trait:
    return _Trait(change, lambda: getattr(owner, name), lambda before: setattr(owner, name, before))


_TRAITS = (
    _Trait("changes the working folder", os.getcwd, os.chdir),
    _Trait("changes environment variables", lambda: dict(os.environ), _set_environment),
    _Trait("changes sys.path", lambda: list(sys.path), lambda before: sys.path.__setitem__(slice(None), before)),
    _Trait("changes signal handlers", _handlers, _set_handlers),
    _Trait("changes the locale", _locale, _set_locale),
    _Trait("changes the umask", _umask, os.umask),
    _Trait("makes errors of warnings", _errors, _set_errors),
    _Trait("starts threads that the interpreter waits for", _num_threads),
    _Trait("starts processes that go on", _has_children),
    _Trait("closes or replaces a standard stream's descriptor", _open_descriptors),
    *(_Trait(f"closes or replaces sys.{name}", _stream(name), _put_stream(name)) for name in ("stdin", "stdout", "stderr")),
    _attribute(sys, "excepthook", "replaces sys.excepthook"),
    _attribute(sys, "displayhook", "replaces sys.displayhook"),
    _attribute(sys, "unraisablehook", "replaces sys.unraisablehook"),
    _attribute(threading, "excepthook", "replaces threading.excepthook"),
    _Trait("changes the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    _Trait("changes sys.argv", lambda: list(sys.argv), lambda before: sys.argv.__setitem__(slice(None), before)),
)
