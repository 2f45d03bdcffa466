"""numpy's files and archives that lie: refused before anything is unpickled or allocated for them."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from archive_samples import NPY, NPZ, Lie, array, claiming, npy_bytes, sound, with_image, zipped
from xzoo.data import npy_file
from xzoo.data.archives import read_npz
from xzoo.data.npy_file import load, opened
from xzoo.errors import DataError

LIES = [*((f"{name}.npy", lie) for name, lie in NPY.items()), *((f"{name}.npz", lie) for name, lie in NPZ.items())]


@pytest.mark.parametrize(("name", "lie"), LIES, ids=[name for name, _ in LIES])
def test_a_lie_is_refused_before_anything_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, lie: Lie
) -> None:
    monkeypatch.chdir(tmp_path)
    make, says = lie
    make(tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            load(tmp_path / name) if name.endswith(".npy") else read_npz(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
    assert says in caught.value.text
    assert name in caught.value.text
    assert caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_what_numpy_reads(tmp_path: Path, order: str) -> None:
    values = np.asarray(np.random.default_rng(0).normal(size=(5, 4, 3)), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "a.npy", values)
    np.savez_compressed(tmp_path / "a.npz", values=values, labels=np.array(["a", "ü"]), empty=np.zeros((0, 3), ">f4"))
    assert np.array_equal(load(tmp_path / "a.npy"), values)
    with opened(tmp_path / "a.npz") as held, np.load(tmp_path / "a.npz") as numpys:
        assert list(held) == numpys.files
        for name in held:
            assert (held[name].dtype, held[name].shape) == (numpys[name].dtype, numpys[name].shape)
            assert np.array_equal(held[name], numpys[name])


def test_what_nobody_asks_for_is_not_unpacked(tmp_path: Path) -> None:
    others = [(name, bytes(100)) for name in ("../../outside.npy", "/etc/xzoo.npy", "C:\\x.npy", "notes.txt")]
    labels = ("labels.npy", npy_bytes(np.arange(8) % 2))
    (tmp_path / "a.npz").write_bytes(zipped(("images.npy", npy_bytes(array())), labels, *others))
    found = read_npz(tmp_path / "a.npz")
    assert len(found.items) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_an_archive_of_nothing_but_zeros_may_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.npz").write_bytes(with_image(npy_bytes(np.zeros((2000, 64, 64), np.uint8))))
    with opened(tmp_path / "a.npz") as held:
        assert held["images"].nbytes == 2000 * 64 * 64
    monkeypatch.setattr(npy_file, "FREE", 1_000_000)
    with pytest.raises(DataError, match=r"would unpack to 8,192,128 bytes from .*, as images do not"), opened(tmp_path / "a.npz"):
        pass


def test_what_is_larger_than_the_memory_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda _: 20)
    (tmp_path / "a.npz").write_bytes(sound(zipfile.ZIP_STORED))
    with pytest.raises(DataError, match="this machine has 400"), opened(tmp_path / "a.npz"):
        pass


def test_a_list_of_members_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.npz").write_bytes(zipped(*((f"{place}.npy", b"") for place in range(2000))))
    monkeypatch.setattr(npy_file, "MOST_DIRECTORY", 10_000)
    with pytest.raises(DataError, match="the list of its members"), opened(tmp_path / "a.npz"):
        pass


def test_a_list_that_says_it_is_short_is_no_way_around(tmp_path: Path) -> None:
    data = bytearray(sound())
    struct.pack_into("<I", data, data.rindex(b"PK\x05\x06") + 12, 10)
    (tmp_path / "a.npz").write_bytes(bytes(data))
    with pytest.raises(DataError, match="cannot be read"), opened(tmp_path / "a.npz"):
        pass


def test_a_file_may_go_on_behind_its_array(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(claiming(data=bytes(600)))
    assert load(tmp_path / "a.npy").shape == (8, 8, 8)
