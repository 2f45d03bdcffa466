"""What huggingface_hub brings is held to the same at our door: whole, as published, or nothing. The hub is on 127.0.0.1."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import xzoo
from serving import CONTENT, Asked, Serving, serving
from xzoo.errors import StorageError, WeightsError
from xzoo.model import hub
from xzoo.model.fetch import fetch
from xzoo.zoo.spec import Choice

SHA256 = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0123456789" * 4


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Serving]:
    from huggingface_hub import constants

    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    # What its import has seen of these variables is the session's, not the test's.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    # Else it asks huggingface.co, and not this hub, how it should call itself.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    with serving() as started:
        started.answer = good
        monkeypatch.setenv("HF_ENDPOINT", started.address)
        yield started


def good(asked: Asked, data: bytes = CONTENT, until: int | None = None) -> None:
    """Answer as the hub does."""
    if "model.safetensors" not in asked.path:
        asked.head(404, Content_Length=0, X_Error_Code="EntryNotFound", X_Repo_Commit=COMMIT)
        return
    begin = int(words.removeprefix("bytes=").partition("-")[0]) if (words := asked.headers.get("Range", "")) else 0
    more = {"Content_Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if words else {}
    mark = f'"{hashlib.sha256(data).hexdigest()}"'
    asked.head(
        206 if words else 200, Content_Length=len(data) - begin, ETag=mark, X_Repo_Commit=COMMIT, Accept_Ranges="bytes", **more
    )
    if asked.command == "GET":
        asked.wfile.write(data[begin:until])


def choice(sha256: str = SHA256) -> Choice:
    weights = xzoo.Weights("V1", hf="someone/net", sha256=sha256)
    backbone = xzoo.Backbone(name="net", build=nn.Identity, head=xzoo.ReplaceLinear("a"), stages={"b": "b"}, weights=[weights])
    return Choice(backbone, weights)


def files(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "hf").rglob("*") if path.is_file() and CONTENT[:99] in path.read_bytes()]


def test_a_good_hub_gives_the_file_and_is_not_asked_again(server: Serving) -> None:
    path = fetch(choice())
    assert path is not None
    assert (path.name, path.read_bytes()) == ("model.safetensors", CONTENT)
    number = len(server.ranges)
    assert fetch(choice()) == path
    assert len(server.ranges) == number


def test_what_was_cut_arrives_whole_or_not_at_all(server: Serving, tmp_path: Path) -> None:
    number = count()
    server.answer = lambda asked: good(asked, until=50_000 if asked.command == "GET" and not next(number) else None)
    try:
        path = fetch(choice())
    except WeightsError:
        server.answer = good
        path = fetch(choice())
    assert path is not None
    assert path.read_bytes() == CONTENT


def test_what_is_not_as_published_is_refused_and_not_kept(server: Serving, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="published is 0123abcd") as caught:
        fetch(choice("0123abcd"))
    assert "three ways out" in caught.value.remedy
    assert files(tmp_path) == []


def test_what_lies_there_altered_is_fetched_anew(server: Serving) -> None:
    path = fetch(choice())
    assert path is not None
    path.write_bytes(b"altered")
    assert fetch(choice()) == path
    assert path.read_bytes() == CONTENT


def test_a_full_disk_behind_it_is_told_as_one(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def full(*_words: Any, **_more: Any) -> str:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("writing failed") from error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(StorageError, match="the disk is full"):
        hub.fetch("someone/net/model.safetensors")


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500])
def test_a_hub_that_refuses_is_told_within_seconds(code: int, server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)  # huggingface_hub asks again and again
    server.answer = lambda asked: asked.head(code, Content_Length=0)
    with pytest.raises(WeightsError, match="cannot be fetched"):
        hub.fetch("someone/net/model.safetensors")


@pytest.mark.parametrize(
    "address",
    [
        "someone/net//etc/passwd",
        "someone/net/../../x",
        "someone/net@../main/x",
        "../net/x",
        "someone/./x",
        "a/b/c\\..\\d",
        "a/b/c\0",
        "a/b@c:/d",
    ],
)
def test_no_address_leads_out_of_the_cache(address: str) -> None:
    with pytest.raises(WeightsError, match="no address on the hub"):
        hub.snapshot_path(address)


def test_a_revision_in_the_cache_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    reference = tmp_path / "models--someone--net" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("../../../../etc")
    assert hub.snapshot_path("someone/net/x") == tmp_path / "models--someone--net" / "snapshots" / "main" / "x"


@pytest.mark.parametrize(
    "url", ["https://e.org/", "https://e.org/..", "https://e.org/%2e%2e", "https://e.org/a%00b", "https://e.org/a%5Cb"]
)
def test_an_address_that_names_no_file_is_refused(url: str) -> None:
    from xzoo.model.fetch import published_path

    with pytest.raises(WeightsError, match="names no file"):
        published_path(xzoo.Weights("V1", url=url))
