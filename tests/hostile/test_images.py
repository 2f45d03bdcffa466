"""Images that ask for much, or are none: refused by what they declare, within the time of one, and nothing waits or dies."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bombs import BOMBS, bmp, chunk, encoded, many_frames, many_pages, many_scans, png, socket_at
from image_samples import mutated, samples
from xzoo.data import apart, limits
from xzoo.data.decode import UnreadableImageError, decode, quietly
from xzoo.data.image_file import read_image
from xzoo.data.items import Decoded
from xzoo.data.source import open_source
from xzoo.errors import DataError


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_what_it_declares(tmp_path: Path, name: str) -> None:
    make, says = BOMBS[name]
    make(tmp_path / name)
    before = time.thread_time()
    with quietly(), pytest.raises(UnreadableImageError) as caught:
        decode(tmp_path / name, name)
    assert says in caught.value.reason
    assert time.thread_time() - before < limits.CPU_SECONDS / 4


def test_what_lies_behind_the_first_picture_is_not_walked_through(tmp_path: Path) -> None:
    (tmp_path / "pages.tif").write_bytes(many_pages(200_000))
    (tmp_path / "frames.gif").write_bytes(many_frames(500_000))
    before = time.thread_time()
    assert decode(tmp_path / "pages.tif", "a").notes == ("frames",)
    assert decode(tmp_path / "frames.gif", "a").notes == ("frames", "palette")
    assert time.thread_time() - before < limits.CPU_SECONDS / 4


def test_as_many_scans_as_encoders_write_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(many_scans(50))
    assert decode(tmp_path / "a.jpg", "a").pixels.shape == (64, 64)


@pytest.mark.parametrize(
    ("name", "data"),
    [("chunks.png", png(*[(b"prVt", b"")] * 200_000)), ("rle.bmp", bmp(4000, 4000, 8, 1, b"\x01\0" * 3_000_000))],
)
def test_who_computes_for_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes) -> None:
    monkeypatch.setattr(limits, "CPU_SECONDS", 0.05)
    (tmp_path / name).write_bytes(data)
    with quietly(), pytest.raises(UnreadableImageError, match=r"more than 0\.05 s of computing"):
        decode(tmp_path / name, name)


def test_a_large_image_waits_until_the_others_are_done() -> None:
    order: list[str] = []
    share = limits.Share(10)
    with share.of(6):
        other = threading.Thread(target=_hold, args=(share, 100, order))
        other.start()
        with share.of(4):
            order.append("small")
    other.join(10)
    assert order == ["small", "large"]


def _hold(share: limits.Share, size: int, order: list[str]) -> None:
    with share.of(size):
        order.append("large")


@pytest.mark.parametrize("form", ["TIFF", "WEBP"])
def test_what_is_decoded_in_another_process_is_the_same(tmp_path: Path, form: str) -> None:
    with quietly():
        for data in (data for name, data in samples() if name.startswith(form)):
            (tmp_path / "a").write_bytes(data)
            here, there = read_image(tmp_path / "a", "a"), apart.decode(tmp_path / "a", "a")
            assert (here.pixels.dtype, here.notes) == (there.pixels.dtype, there.notes)
            assert np.array_equal(here.pixels, there.pixels)


def test_only_what_pillow_cannot_end_is_decoded_in_another_process(tmp_path: Path) -> None:
    handed: list[str] = []

    def elsewhere(path: Path, name: str) -> Decoded:
        handed.append(name)
        return read_image(path, name)

    for name, data in samples():
        (tmp_path / "a").write_bytes(data)
        read_image(tmp_path / "a", name, elsewhere)
    compressed = {name for name, _ in samples() if name.startswith("TIFF ")} - {"TIFF raw", "TIFF float"}
    assert set(handed) == compressed | {"WEBP", "WEBP lossless", "WEBP several"}


@pytest.mark.parametrize(("number", "says"), [(signal.SIGSEGV, "end the decoder"), (signal.SIGPROF, "10 s of computing")])
def test_a_decoder_that_dies_costs_one_image(tmp_path: Path, number: int, says: str) -> None:
    (tmp_path / "a.webp").write_bytes(encoded("WEBP"))
    decode(tmp_path / "a.webp", "a")
    process = apart._idle.queue[-1]
    os.kill(process._popen.pid, number)
    with pytest.raises(UnreadableImageError, match=says):
        decode(tmp_path / "a.webp", "a")
    assert decode(tmp_path / "a.webp", "a").pixels.shape == (32, 32, 3)
    apart.release()


def test_decoders_are_ended_with_the_reading(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(encoded("WEBP"))
    with quietly():
        decode(tmp_path / "a.webp", "a")
        process = apart._idle.queue[-1]._popen
        assert process.poll() is None
    assert process.poll() is not None


def test_what_is_no_file_is_neither_waited_for_nor_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    socket_at(tmp_path / "socket.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "device.png").symlink_to("/dev/zero")
    for name, kind in (("pipe", "a pipe"), ("socket", "a socket"), ("folder", "a folder"), ("device", "a device")):
        with pytest.raises(UnreadableImageError, match=f"it is {kind}, not a file"):
            decode(tmp_path / f"{name}.png", name)


def test_links_to_what_is_no_file_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XZOO_FOLLOW_LINKS", "1")
    for label in "ab":
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "data" / label / f"{number}.png").write_bytes(encoded("PNG", (8, 8 + number + ord(label) % 2)))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "data/a/pipe.png").symlink_to(tmp_path / "pipe")
    (tmp_path / "data/a/zero.png").symlink_to("/dev/zero")
    source = open_source(tmp_path / "data")
    assert [source.items[place].id for place, digest in enumerate(source.digests) if not digest] == ["a/pipe.png", "a/zero.png"]
    monkeypatch.delenv("XZOO_FOLLOW_LINKS")
    with pytest.raises(DataError, match=r"2 links lead out of .*a/pipe\.png -> ") as caught:
        open_source(tmp_path / "data")
    assert "XZOO_FOLLOW_LINKS=1" in caught.value.remedy


def test_broken_images_are_refused_or_read_and_never_more(tmp_path: Path) -> None:
    rng = random.Random(0)
    with quietly():
        for name, data in samples():
            for _ in range(12):
                (tmp_path / "a").write_bytes(mutated(data, rng))
                with contextlib.suppress(UnreadableImageError):
                    assert decode(tmp_path / "a", "a").pixels.dtype in (np.uint8, np.uint16), name


def test_a_checksum_is_looked_at(tmp_path: Path) -> None:
    broken = bytearray(png())
    broken[broken.index(b"IDAT") + 6] ^= 1
    (tmp_path / "a.png").write_bytes(bytes(broken))
    assert chunk(b"IEND", b"") in broken
    with pytest.raises(UnreadableImageError):
        decode(tmp_path / "a.png", "a")
