"""One field of a JSON file, without the cost of reading the others: an outcome has hundreds of kilobytes, and there are many."""

from __future__ import annotations

import os
from pathlib import Path

from xzoo import regular

_FIRST = 1 << 16
_CLOSING = {b"[": b"\n ]", b"{": b"\n }"}


def field_of(path: Path, name: str) -> bytes | None:
    """Return the bytes of a field of the object in a file, or None where they cannot be told from the rest. Raises OSError.

    It takes an object that store.encode wrote: at the object's own level alone a line begins with one space and something behind
    it, for no text of JSON holds a line break. The file is read from its end on.
    """
    with regular.open_file(path) as file:
        size, length = os.fstat(file.fileno()).st_size, _FIRST
        while True:
            found = _field(os.pread(file.fileno(), length, max(0, size - length)), name)
            if found is not None or length >= size:
                return found
            length *= 4


def _field(end: bytes, name: str) -> bytes | None:
    head = f'\n "{name}": '.encode()
    begin = end.rfind(head) + len(head)
    if begin < len(head) or not end.endswith(b"\n}\n"):
        return None
    line = end[begin : end.index(b"\n", begin)]
    closing = _CLOSING.get(line)
    return end[begin : end.index(closing, begin) + len(closing)] if closing else line.rstrip(b",")
