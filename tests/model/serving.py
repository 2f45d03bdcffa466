"""A server on 127.0.0.1 whose answers a test writes, and that remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CONTENT = bytes(range(256)) * 500
MARK = '"first"'


class Asked(BaseHTTPRequestHandler):
    """One request. The test's function answers it with `give`, or in its own way."""

    protocol_version = "HTTP/1.1"
    server: Serving

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers.get("Range", ""))
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self.server.answer(self)

    do_HEAD = do_GET

    def head(self, code: int, **headers: object) -> None:
        """Send the head of an answer; underscores stand for hyphens."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def give(self, data: bytes = CONTENT, *, ranges: bool = True, mark: str = MARK, until: int | None = None) -> None:
        """Answer as a good server does, with what was asked for, and end after `until` bytes of the file."""
        begin = 0
        words = self.headers.get("Range", "")
        if words and ranges and self.headers.get("If-Range", mark) == mark:
            begin = int(words.removeprefix("bytes=").removesuffix("-"))
        more: dict[str, object] = {"ETag": mark} if mark else {}
        if ranges:
            more["Accept_Ranges"] = "bytes"
        if begin:
            more["Content_Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
        self.head(206 if begin else 200, Content_Length=len(data) - begin, **more)
        self.wfile.write(data[begin:until])

    def reset(self) -> None:
        """End the connection as a fallen machine does."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for one in (self.wfile, self.rfile, self.connection):
            one.close()

    def stall(self) -> None:
        """Say nothing more until the test is over."""
        self.wfile.flush()
        self.server.is_over.wait(30)

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


class Serving(ThreadingHTTPServer):
    """`answer` is called for each request, `ranges` holds what each asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.answer: Callable[[Asked], None] = Asked.give
        self.ranges: list[str] = []
        self.is_over = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet of connections that a test broke."""


@contextlib.contextmanager
def serving() -> Iterator[Serving]:
    with Serving() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.is_over.set()
        server.shutdown()
        thread.join()
