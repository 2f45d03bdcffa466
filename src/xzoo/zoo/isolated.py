"""The inside of an isolated process: take the limits on, do the task, tell its answers, and leave without a farewell."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from xzoo.zoo.wording import told

_SET_DEATH_SIGNAL = 1


def serve(descriptor: int) -> None:
    """Do what stdin asks for, answer on the descriptor, and end this process. The counterpart of `isolation.run`."""
    asked = json.load(sys.stdin)
    _take_limits(asked["memory"])
    # What a plugin replaces or closes later is taken now: the channel, the process that may answer, and the way out.
    own, leave = os.getpid(), os._exit
    stderr = os.dup(2)
    faulthandler.enable(stderr)
    tell = _teller(descriptor, lambda: faulthandler.dump_traceback_later(0.9 * asked["seconds"], file=stderr))
    module, _, name = asked["task"].partition(":")
    try:
        getattr(import_module(module), name)(asked["request"], lambda value: tell("answer", value))
        if os.getpid() == own:
            tell("done", None)
    except BaseException as error:
        traceback.print_exc()
        with contextlib.suppress(BaseException):
            tell("raised", told(error))
        _flush()
        leave(1)
    _flush()
    # Threads that never end and functions registered for the exit are not waited for.
    leave(0)


def _teller(descriptor: int, renew: Callable[[], None]) -> Callable[[str, Any], None]:
    renew()
    own, process, write, leave, encode = os.getpid(), os.getpid, os.write, os._exit, json.dumps

    def tell(kind: str, value: Any) -> None:
        if process() != own:
            # A plugin has forked, and its copy of this process would answer a second time.
            leave(0)
        data = encode([kind, value]).encode() + b"\n"
        while data:
            data = data[write(descriptor, data) :]
        renew()

    return tell


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


def _take_limits(memory: int) -> None:
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Private writable memory: the address space would count what CUDA and threads reserve and never touch.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    if sys.platform == "linux":
        _die_with_parent()


def _die_with_parent() -> None:
    """Let the kernel kill this process when the one that started it is gone (prctl(2), PR_SET_PDEATHSIG)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
