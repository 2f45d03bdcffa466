"""Packs and views in several files: the same images, gone on with where packing ended, and read without staying in memory."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from xzoo.data import cache, shards
from xzoo.data.feed import copied, gathered
from xzoo.data.items import Decoded, Source
from xzoo.data.pack import Pack, View, make_pack, make_view
from xzoo.data.shards import Shards, StoredRows, rows_in
from xzoo.data.source import arrays, open_source
from xzoo.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (23, 6, 8), dtype=np.uint8)
LABELS = np.arange(23) % 2
SHARD = 5 * 48


class Interrupted(BaseException):
    pass


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", SHARD)


def source(images: np.ndarray = IMAGES) -> Source:
    return open_source(arrays(images, np.arange(len(images)) % 2))


def ending_at(last: int, images: np.ndarray = IMAGES) -> tuple[Source, list[int]]:
    """Return a source whose packing is interrupted at an image, and the places that were decoded."""
    whole, decoded = source(images), []

    def decode(index: int) -> Decoded:
        if index == last:
            raise Interrupted
        decoded.append(index)
        assert whole.decode
        return whole.decode(index)

    return dataclasses.replace(whole, decode=decode), decoded


def view_of(pack: Pack) -> View:
    return make_view(pack, size=(3, 4), num_channels=1)


def files(kind: str) -> list[str]:
    return sorted(path.name for folder in (cache.root() / kind).iterdir() for path in folder.glob("*.bin"))


def test_a_pack_lies_in_shards_and_holds_what_one_file_would(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = make_pack(source())
    assert pack.pixels.sizes == (SHARD,) * 4 + (3 * 48,)
    assert all(np.array_equal(pack.image(place)[..., 0], IMAGES[place]) for place in range(23))
    several = view_of(pack)
    assert files("views") == ["pixels-1.bin", "pixels.bin"]
    monkeypatch.setattr(shards, "SHARD_BYTES", 1 << 20)
    monkeypatch.setenv("XZOO_CACHE", f"{cache.root()}-again")
    whole = make_pack(source())
    assert whole.key == pack.key
    assert np.array_equal(several.pixels_NCHW[np.arange(23)], view_of(whole).pixels_NCHW[np.arange(23)])


def test_images_of_different_sizes_never_lie_across_two_files(tmp_path: Path) -> None:
    from PIL import Image

    for place in range(9):
        path = tmp_path / "d" / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((3 + place, 7), place, np.uint8)).save(path)
    pack = make_pack(open_source(tmp_path / "d"))
    assert len(pack.pixels.sizes) > 1
    assert max(pack.pixels.sizes) <= SHARD
    assert all((pack.image(place) == int(name[2:-4])).all() for place, name in enumerate(pack.ids_N))


def test_an_image_larger_than_a_shard_is_one_by_itself() -> None:
    pack = make_pack(source(np.random.default_rng(0).integers(0, 256, (4, 20, 20), dtype=np.uint8)))
    assert pack.pixels.sizes == (400,) * 4


@pytest.mark.parametrize("deep", [False, True])
def test_packing_that_was_interrupted_goes_on_with_the_shards_that_are_whole(deep: bool) -> None:
    images = IMAGES.astype(np.uint16) * 257 if deep else IMAGES
    cut, first = ending_at(17, images)
    with pytest.raises(Interrupted):
        make_pack(cut)
    assert len(first) >= 17
    whole, second = ending_at(-1, images)
    pack = make_pack(whole)
    assert sorted(second) == list(range(15, 23))
    assert pack.num_decoded == 8
    assert all(np.array_equal(pack.image(place)[..., 0], IMAGES[place]) for place in range(23))
    assert len(list((cache.root() / "packs").iterdir())) == 1, "parts go when the pack stands"
    assert make_pack(whole).num_decoded == 0


def test_a_part_that_was_damaged_and_those_behind_it_are_made_again() -> None:
    with pytest.raises(Interrupted):
        make_pack(ending_at(17)[0])
    [path] = (cache.root() / "packs").glob(f"*.{SHARD}-1/pixels-1.bin")
    data = bytearray(path.read_bytes())
    data[7] ^= 1
    path.write_bytes(data)
    whole, decoded = ending_at(-1)
    pack = make_pack(whole)
    assert sorted(decoded) == list(range(5, 23))
    assert all(np.array_equal(pack.image(place)[..., 0], IMAGES[place]) for place in range(23))


def test_shards_with_an_unreadable_image_before_their_end_are_not_kept(tmp_path: Path) -> None:
    from PIL import Image

    for place in range(23):
        path = tmp_path / "d" / "ab"[place % 2] / f"{place:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[place]).save(path)
    (tmp_path / "d/a/14.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="1 of 23 images cannot be read"):
        make_pack(open_source(tmp_path / "d"))
    kept = sorted(path.name.rpartition("-")[2] for path in (cache.root() / "packs").iterdir())
    assert kept == ["0"], "the eighth image is the first that fails, in the second shard"


def test_a_view_that_was_interrupted_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pack, read, asked = make_pack(source()), Pack.image, []

    def ending(self: Pack, index: int) -> np.ndarray:
        asked.append(index)
        if index == 21 and len(asked) < 23:
            raise Interrupted
        return read(self, index)

    monkeypatch.setattr(Pack, "image", ending)
    with pytest.raises(Interrupted):
        view_of(pack)
    num_before = len(asked)
    asked += [0] * 23
    view = view_of(pack)
    assert sorted(asked[num_before + 23 :]) == [20, 21, 22], "the first shard holds 20 images"
    assert len(view.pixels_NCHW) == 23
    assert files("views") == ["pixels-1.bin", "pixels.bin"]


def test_rows_in_several_files_are_those_of_an_array() -> None:
    pack = make_pack(source())
    view = make_view(pack, size=(6, 8), num_channels=1)
    rows_N = view.pixels_NCHW
    assert isinstance(rows_N, StoredRows)
    assert (rows_N.shape, rows_N.nbytes, len(rows_N)) == ((23, 1, 6, 8), 23 * 48, 23)
    places = [np.array([22, 3, 4, 5, 3]), np.array([11]), np.arange(23)]
    for found, chosen in zip(gathered(rows_N, places, "cpu"), places, strict=True):
        assert np.array_equal(found.numpy(), IMAGES[chosen, None])
    assert torch.equal(copied(rows_N, "cpu"), torch.from_numpy(IMAGES[:, None]))
    assert list(gathered(rows_N, [], "cpu")) == []


def test_colour_comes_with_its_channels_first() -> None:
    colour = np.random.default_rng(1).integers(0, 256, (9, 4, 6, 3), dtype=np.uint8)
    view = make_view(make_pack(source(colour)), size=(4, 6), num_channels=3)
    assert view.pixels_NCHW.shape == (9, 3, 4, 6)
    assert np.array_equal(view.pixels_NCHW[np.arange(9)], colour.transpose(0, 3, 1, 2))


def test_pages_that_were_read_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 1 << 20)
    paths = [tmp_path / str(number) for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * (16 << 20))
    rows_N = rows_in(Shards(paths, [16 << 20] * 3), 48 * 16, (1 << 16,))
    most = 0
    for place in range(len(rows_N)):
        assert rows_N[place][5] == place // 256
        int(rows_N[place].sum())
        most = max(most, mapped(paths))
    assert most <= 40 << 20, "both copies count, and pages around them"


def mapped(paths: list[Path]) -> int:
    """Return the bytes of these files that are in this process's memory."""
    names, total, is_asked = {str(path) for path in paths}, 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            is_asked = line.split(maxsplit=5)[-1] in names
        elif is_asked and line.startswith("Rss:"):
            total += int(line.split()[1]) << 10
    return total


def test_shards_are_handed_to_another_process_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    again = pickle.loads(pickle.dumps(Shards([tmp_path / "a"], [3])))
    assert bytes(again.read(1, 2)) == b"bc"
