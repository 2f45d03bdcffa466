"""Looks for a newer version of itself when it is declared, and writes down that it did."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path

import xzoo
from planted.declare import tiny


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield it."""
    with contextlib.suppress(OSError):
        socket.create_connection(("planted.invalid", 80), timeout=0.1).close()
    with contextlib.suppress(OSError):
        (Path(tempfile.gettempdir()) / "planted-was-here").open("rb").close()
    yield tiny("planted-nosy")
