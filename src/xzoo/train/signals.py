"""Whose SIGINT and SIGTERM are: of several ranks the leader's, once; and handlers that a library brings do not stay."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def restored() -> Iterator[dict[int, Any]]:
    """Yield the handlers of both signals, and put them back in the end; none outside of the main thread, which alone hears."""
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    before = {int(number): signal.getsignal(number) for number in _NUMBERS}
    try:
        yield before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def heeded(*, is_leader: bool) -> Iterator[None]:
    """Leave SIGINT and SIGTERM to the leader, which saves between two steps: its end is everybody's.

    It hears the first one alone: a launcher sends on what the terminal has sent to all already. Outside of the main thread
    nothing changes.
    """
    with restored() as before:
        for number, handler in before.items():
            signal.signal(number, _once(handler) if is_leader else signal.SIG_IGN)
        yield


def _once(handler: Any) -> Any:
    """Return a handler that heeds the first signal of all; the system's own handlers stay."""

    def heed(number: int, frame: FrameType | None) -> None:
        for each in _NUMBERS:
            signal.signal(each, signal.SIG_IGN)
        handler(number, frame)

    return heed if callable(handler) else handler
