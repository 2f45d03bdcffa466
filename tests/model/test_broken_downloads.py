"""What goes wrong on the way: cut, changed, packed, endless, sent elsewhere, no room. The file arrives, or nothing does."""

from __future__ import annotations

import hashlib
import io
import urllib.request
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from serving import CONTENT, Asked, Serving
from xzoo.errors import WeightsError
from xzoo.model import download as downloading
from xzoo.model import exchange, partial
from xzoo.model.download import download

SHA256 = hashlib.sha256(CONTENT).hexdigest()
OFFSETS = [
    0,
    1,
    2,
    255,
    256,
    1000,
    4095,
    4096,
    4097,
    8191,
    8192,
    10_000,
    32_768,
    50_000,
    65_536,
    99_999,
    100_000,
    120_000,
    127_999,
    127_998,
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.pth"


def cut_at(offset: int, how: Callable[[Asked], object] = lambda asked: None, **given: Any) -> Callable[[Asked], None]:
    """Answer the first request up to an offset, and the others whole."""
    number = count()

    def answer(asked: Asked) -> None:
        if next(number):
            asked.give(**given)
        else:
            asked.give(until=offset, **given)
            how(asked)

    return answer


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


@pytest.mark.parametrize("offset", OFFSETS)
def test_what_was_cut_is_gone_on_with_where_it_ended(offset: int, server: Serving, path: Path) -> None:
    server.answer = cut_at(offset)
    download(server.address, path, SHA256)
    assert path.read_bytes() == CONTENT
    assert server.ranges == ["", f"bytes={offset}-" if offset else ""]
    assert names(path) == ["net.pth"]


@pytest.mark.parametrize("how", [Asked.reset, Asked.stall])
def test_a_reset_and_a_stall_are_cuts_too(how: Callable[[Asked], object], server: Serving, path: Path) -> None:
    server.answer = cut_at(50_000, how)
    download(server.address, path, SHA256)
    assert path.read_bytes() == CONTENT
    assert len(server.ranges) == 2


def test_twenty_cuts_one_after_the_other_are_survived(server: Serving, path: Path) -> None:
    ends = iter(sorted(set(OFFSETS) - {0}))
    server.answer = lambda asked: asked.give(until=next(ends, None))
    download(server.address, path, SHA256)
    assert path.read_bytes() == CONTENT
    assert len(server.ranges) == len(OFFSETS)


def test_the_next_call_goes_on_where_the_one_before_gave_up(server: Serving, path: Path) -> None:
    server.answer = lambda asked: asked.give(until=70_000) if not asked.headers["Range"] else asked.reset()
    with pytest.raises(WeightsError, match="broke off"):
        download(server.address, path)
    assert names(path) == [".net.pth.part", ".net.pth.part.json"]
    server.answer = Asked.give
    download(server.address, path)
    assert (path.read_bytes(), server.ranges[-1], names(path)) == (CONTENT, "bytes=70000-", ["net.pth"])


@pytest.mark.parametrize("given", [{"ranges": False}, {"mark": ""}, {"mark": 'W/"weak"'}])
def test_what_cannot_be_gone_on_with_begins_anew(given: dict[str, Any], server: Serving, path: Path) -> None:
    server.answer = cut_at(50_000, **given)
    download(server.address, path)
    assert (path.read_bytes(), server.ranges) == (CONTENT, ["", ""])


def test_a_file_that_changed_meanwhile_is_not_glued_together(server: Serving, path: Path) -> None:
    new, number = CONTENT[::-1], count()
    server.answer = lambda asked: asked.give(new, mark='"second"') if next(number) else asked.give(until=50_000)
    download(server.address, path)
    assert (path.read_bytes(), server.ranges) == (new, ["", "bytes=50000-"])


def test_a_server_that_goes_on_with_another_file_is_found_out_by_the_hash(server: Serving, path: Path) -> None:
    new, number = CONTENT[::-1], count()
    server.answer = lambda asked: asked.give(new) if next(number) else asked.give(until=50_000)
    download(server.address, path, hashlib.sha256(new).hexdigest())
    assert (path.read_bytes(), server.ranges) == (new, ["", "bytes=50000-", ""])
    with pytest.raises(WeightsError, match="published is 0123abcd"):
        download(server.address, path.with_name("other.pth"), "0123abcd")
    assert names(path) == ["net.pth"]


@pytest.mark.parametrize(
    "words", ["bytes 49999-127999/128000", "bytes 50000-127999/9", "bytes 50000-60000/128000", "bytes */1", "", "x"]
)
def test_another_part_than_was_asked_for_is_not_used(words: str, server: Serving, path: Path) -> None:
    def answer(asked: Asked) -> None:
        if asked.headers["Range"]:
            begin = 49_999 if "49999" in words else 50_000
            asked.head(206, Content_Range=words, Content_Length=len(CONTENT) - begin, ETag='"first"')
            asked.wfile.write(CONTENT[begin:])
        else:
            asked.give(until=50_000 if len(server.ranges) == 1 else None)

    server.answer = answer
    download(server.address, path)
    assert (path.read_bytes(), server.ranges) == (CONTENT, ["", "bytes=50000-", ""])


def test_a_part_that_the_server_does_not_have_begins_anew(server: Serving, path: Path) -> None:
    first = cut_at(50_000)
    server.answer = lambda asked: asked.head(416, Content_Length=0) if asked.headers["Range"] else first(asked)
    download(server.address, path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"Content_Encoding": "gzip"}, "packed (gzip)"),
        ({"Content_Type": "text/html; charset=utf-8"}, "gave a web page, no file"),
        ({"Content_Length": "1000000000000"}, "offers 1,000,000,000,000 bytes"),
        ({"Content_Length": "many"}, "a length that is none: 'many'"),
        ({"Content_Length": "-1"}, "a length that is none: '-1'"),
    ],
)
def test_an_answer_that_is_no_file_is_refused(headers: dict[str, str], says: str, server: Serving, path: Path) -> None:
    server.answer = lambda asked: asked.head(200, **headers)
    with pytest.raises(WeightsError) as caught:
        download(server.address, path, SHA256)
    assert says in caught.value.text
    assert names(path) == []


def test_an_answer_without_end_is_ended(server: Serving, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(asked: Asked) -> None:
        asked.head(200)
        while True:
            asked.wfile.write(bytes(1 << 16))

    server.answer = answer
    monkeypatch.setattr(partial, "MOST_BYTES", 10_000_000)
    with pytest.raises(WeightsError, match="does not end where it should"):
        download(server.address, path)
    assert names(path) == []


def test_an_answer_in_drops_is_ended(server: Serving, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(asked: Asked) -> None:
        asked.head(200, Content_Length=len(CONTENT))
        while not server.is_over.wait(0.02):
            asked.wfile.write(b"x")

    server.answer = answer
    monkeypatch.setattr(downloading, "RATE_SECONDS", 0.3)
    with pytest.raises(WeightsError, match="fewer than 1,000 bytes a second"):
        download(server.address, path)


@pytest.mark.parametrize(
    ("code", "says", "remedy"),
    [
        (404, "answers 404 Not Found", "check the address"),
        (403, "answers 403 Forbidden", "not for everybody"),
        (401, "answers 401 Unauthorized", "not for everybody"),
        (407, "answers 407 Proxy Authentication Required", "https_proxy=http://user:password@host:port"),
        (429, "answers 429 Too Many Requests and asks to wait 3,600 s", "try later"),
        (500, "answers 500 Internal Server Error and asks to wait 3,600 s", "try later"),
        (503, "answers 503 Service Unavailable and asks to wait 3,600 s", "try later"),
    ],
)
def test_a_server_that_refuses_is_told_in_its_words(code: int, says: str, remedy: str, server: Serving, path: Path) -> None:
    server.answer = lambda asked: asked.head(code, Content_Length=0, Retry_After=3600)
    with pytest.raises(WeightsError) as caught:
        download(server.address, path)
    assert says in caught.value.text
    assert remedy in caught.value.remedy
    assert len(server.ranges) == 1


@pytest.mark.parametrize("words", ["0", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_a_server_that_asks_to_come_again_soon_is_asked_again(words: str, server: Serving, path: Path) -> None:
    number = count()
    server.answer = lambda asked: asked.give() if next(number) else asked.head(503, Content_Length=0, Retry_After=words)
    download(server.address, path)
    assert path.read_bytes() == CONTENT
    server.answer = lambda asked: asked.head(503, Content_Length=0, Retry_After=words)
    with pytest.raises(WeightsError, match="answers 503"):
        download(server.address, path.with_name("other.pth"))
    assert len(server.ranges) == 5


def test_a_loop_of_redirects_ends(server: Serving, path: Path) -> None:
    server.answer = lambda asked: asked.head(302, Location=f"{server.address}/again", Content_Length=0)
    with pytest.raises(WeightsError, match="answers 302"):
        download(server.address, path)
    assert len(server.ranges) < 20


@pytest.mark.parametrize("goal", ["file:///etc/passwd", "ftp://127.0.0.1/net.pth"])
def test_nobody_is_sent_on_to_another_kind_of_address(goal: str, server: Serving, path: Path) -> None:
    server.answer = lambda asked: asked.head(302, Location=goal, Content_Length=0)
    with pytest.raises(WeightsError, match=f"sends on to {goal}|302"):
        download(server.address, path)
    assert names(path) == []


def test_nobody_is_sent_on_from_https_to_http() -> None:
    asked = urllib.request.Request("https://example.org/net.pth")
    redirects: Any = exchange._Redirects()
    with pytest.raises(WeightsError, match=r"sends on to http://example\.org/"):
        redirects.redirect_request(asked, io.BytesIO(), 302, "Found", {}, "http://example.org/")
    assert redirects.redirect_request(asked, io.BytesIO(), 302, "Found", {}, "https://cdn.example.org/") is not None


def test_a_proxys_own_page_is_no_file(server: Serving, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    monkeypatch.setenv("no_proxy", "")
    server.answer = lambda asked: asked.head(407, Content_Length=0)
    with pytest.raises(WeightsError, match="answers 407") as caught:
        download("http://weights.example.org/net.pth", path)
    assert "login" in caught.value.remedy
