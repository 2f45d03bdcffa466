"""Work that an interrupt must not part: the first one waits for its end, the second does not."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@dataclass(eq=False)
class Held:
    """An interrupt that waits: the number of its signal, None while none has come."""

    number: int | None = None
    frame: FrameType | None = None

    @property
    def has_come(self) -> bool:
        """Whether one waits."""
        return self.number is not None


@contextlib.contextmanager
def held(*, insists: bool = True) -> Iterator[Held]:
    """Let the first SIGINT or SIGTERM wait until the block ends, and then be what it would have been; a second is at once.

    Without `insists` a second is the first one again: a terminal and a launcher both send what the user said once.

    What it would have been is the handler's choice that stood before: KeyboardInterrupt, the command line's own, or the end of
    the process. Ignored signals stay so, and outside of the main thread, which alone hears signals, nothing is held.
    """
    found = Held()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    found_there = {int(number): signal.getsignal(number) for number in _NUMBERS}
    handlers = {number: handler for number, handler in found_there.items() if handler not in (signal.SIG_IGN, None)}

    def hold(number: int, frame: FrameType | None) -> None:
        if found.has_come and insists:
            _deliver(number, frame, handlers[number])
        elif not found.has_come:
            found.number, found.frame = number, frame

    with contextlib.ExitStack() as stack:
        stack.callback(_release, found, handlers)
        for number, handler in handlers.items():
            stack.callback(signal.signal, number, handler)
            signal.signal(number, hold)
        yield found


def _release(found: Held, handlers: dict[Any, Any]) -> None:
    """Let what waits happen; the handlers are those of before by now."""
    if found.number is not None:
        _deliver(found.number, found.frame, handlers[found.number])


def _deliver(number: int, frame: FrameType | None, handler: Any) -> None:
    if callable(handler):
        handler(number, frame)
    else:  # the system's own, which ends the process
        signal.signal(number, handler)
        os.kill(os.getpid(), number)
