from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from torch import nn

import xzoo
from xzoo.errors import StorageError, WeightsError
from xzoo.model import exchange
from xzoo.model.download import download
from xzoo.model.fetch import fetch
from xzoo.model.hub import fetch as fetch_from_hub
from xzoo.zoo.spec import Choice

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """Answers by path: whole, short, chunked and cut, missing, silent, or silent half way."""

    released: threading.Event

    def do_GET(self) -> None:
        with contextlib.suppress(ConnectionError):
            self.answer()

    def answer(self) -> None:
        name = self.path.rpartition("/")[2]
        if name == "silent":
            self.released.wait(30)
            return
        self.send_response(404 if name == "missing" else 200)
        if name == "login":
            self.send_header("Content-Type", "text/html; charset=utf-8")
        if name == "cut":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if name == "cut":
            self.wfile.write(b"400\r\n" + CONTENT[:1000])
        else:
            self.wfile.write(CONTENT if name in {"good", "missing", "good-0123abcd.pth"} else CONTENT[:1000])
        if name == "stalls":
            self.wfile.flush()
            self.released.wait(30)

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.4)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    Server.released = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        Server.released.set()
        server.shutdown()
        thread.join()


def test_a_good_answer_is_written_whole(address: str, tmp_path: Path) -> None:
    download(f"{address}/good", tmp_path / "sub" / "file", SHA256[:8])
    assert (tmp_path / "sub" / "file").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("short", "ended after 1,000 of 1,280,000 bytes"),
        ("cut", "broke off"),
        ("missing", "answers 404"),
        ("login", "gave a web page, no file"),
        ("silent", "did not answer for 0.4 s"),
        ("stalls", "did not answer for 0.4 s"),
    ],
)
def test_a_bad_answer_leaves_nothing_and_keeps_what_was_there(address: str, tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "file").write_text("before")
    started = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        download(f"{address}/{name}", tmp_path / "file")
    assert what in caught.value.text
    assert time.monotonic() - started < 3
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_altered_bytes_say_both_hashes(address: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"sha256 {SHA256[:8]}, published is 0123abcd"):
        download(f"{address}/good", tmp_path / "file", "0123abcd")
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1 cannot be reached"):
        download("http://127.0.0.1:9/file", tmp_path / "file")


def test_a_name_that_is_never_looked_up_does_not_hang(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    released = threading.Event()
    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_kwargs: released.wait(30) and [])
    with pytest.raises(WeightsError, match=r"example\.invalid did not answer"):
        download("http://example.invalid/file", tmp_path / "file")
    released.set()


def test_a_disk_that_refuses_is_no_network_fault(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        download(f"{address}/good", tmp_path / "file" / "below")


def test_addresses_of_other_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be fetched"):
        download("ftp://example.org/file", tmp_path / "file")


def test_fetching_replaces_what_is_not_as_published(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "good"
    path.parent.mkdir(parents=True)
    path.write_text("altered")
    weights = xzoo.Weights("V1", url=f"{address}/good", sha256=SHA256)
    backbone = xzoo.Backbone(name="net", build=nn.Identity, head=xzoo.ReplaceLinear("a"), stages={"b": "b"}, weights=[weights])
    assert fetch(Choice(backbone, weights)) == path
    assert path.read_bytes() == CONTENT
    before = path.stat().st_mtime_ns
    assert fetch(Choice(backbone, weights)) == path
    assert path.stat().st_mtime_ns == before


def test_a_silent_hub_is_told_within_seconds(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{address}/silent")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(WeightsError, match="did not answer"):
        fetch_from_hub("someone/net/model.safetensors")
