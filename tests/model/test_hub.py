"""The cache that huggingface_hub keeps: revisions, and weights under either of their usual names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xzoo.errors import WeightsError
from xzoo.model import hub

FOLDER = "models--someone--net"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for variable in ("HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / FOLDER


def put(cache: Path, revision: str, file: str, name: str = "") -> Path:
    path = cache / "snapshots" / revision / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(revision)
    if name:
        (cache / "refs").mkdir(exist_ok=True)
        (cache / "refs" / name).write_text(revision)
    return path


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("someone/net/sub/file.bin", ("someone/net", "", ("sub/file.bin",))),
        ("someone/net@v2/config.json", ("someone/net", "v2", ("config.json",))),
        ("someone/net", ("someone/net", "", hub.WEIGHTS_FILES)),
        ("someone/net@v2", ("someone/net", "v2", hub.WEIGHTS_FILES)),
    ],
)
def test_an_address_is_taken_apart(address: str, parts: tuple[str, str, tuple[str, ...]]) -> None:
    assert hub.split(address) == parts


@pytest.mark.parametrize("address", ["", "someone", "someone/", "/net", "someone/net@", "someone/net/", "someone/net/../x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(WeightsError, match="no address on the hub"):
        hub.split(address)


def test_weights_are_found_under_either_name_the_safe_one_first(cache: Path) -> None:
    assert hub.snapshot_path("someone/net") == cache / "snapshots" / "main" / "model.safetensors"
    pickled = put(cache, "aaa", "pytorch_model.bin", "main")
    assert hub.snapshot_path("someone/net") == pickled
    safe = put(cache, "aaa", "model.safetensors")
    assert hub.snapshot_path("someone/net") == safe


def test_a_revision_is_that_one_and_no_other(cache: Path) -> None:
    put(cache, "aaa", "model.safetensors", "main")
    tagged = put(cache, "bbb", "model.safetensors", "v2")
    assert hub.snapshot_path("someone/net@v2") == tagged
    assert hub.snapshot_path("someone/net@bbb") == tagged
    assert not hub.snapshot_path("someone/net@v3").exists()


def test_a_file_that_is_here_is_not_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = put(cache, "aaa", "config.json", "main")
    assert hub.hub_file("someone/net/config.json") == path
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        hub.hub_file("someone/net/other.json")


def test_the_second_name_is_asked_for_where_the_first_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    asked: list[tuple[str, str | None]] = []

    def download(repo: str, file: str, *, revision: str | None, **_options: Any) -> str:
        asked.append((file, revision))
        if file == "model.safetensors":
            raise EntryNotFoundError("404")
        return str(tmp_path / file)

    monkeypatch.setattr(hub, "reach", lambda _address: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert hub.fetch("someone/net@v2") == tmp_path / "pytorch_model.bin"
    assert asked == [("model.safetensors", "v2"), ("pytorch_model.bin", "v2")]


def test_a_fault_of_the_network_does_not_ask_for_the_second_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[str] = []

    def download(_repo: str, file: str, **_options: Any) -> str:
        asked.append(file)
        raise OSError("broken pipe")

    monkeypatch.setattr(hub, "reach", lambda _address: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(WeightsError, match=r"someone/net/model\.safetensors cannot be fetched: broken pipe"):
        hub.fetch("someone/net")
    assert asked == ["model.safetensors"]
