"""Who of several ranks heeds a signal: the leader, once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def heeded(*, is_leader: bool) -> Iterator[None]:
    """Leave SIGINT and SIGTERM to the leader, which saves between two steps: its end is everybody's.

    It hears the first one alone: a launcher sends on what the terminal has sent to all already. Outside of the main thread, which
    alone hears signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number, handler in before.items():
        signal.signal(number, _once(handler) if is_leader else signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _once(handler: Any) -> Any:
    """Return a handler that heeds the first signal of all; the system's own handlers stay."""

    def heed(number: int, frame: FrameType | None) -> None:
        for each in _NUMBERS:
            signal.signal(each, signal.SIG_IGN)
        handler(number, frame)

    return heed if callable(handler) else handler
