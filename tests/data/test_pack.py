import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xzoo.data import cache
from xzoo.data.pack import Pack, make_pack, make_view
from xzoo.data.source import Decoded, Source, arrays, open_source
from xzoo.errors import DataError, StorageError, UsageError

Tree = Callable[..., Path]


def counting(source: Source) -> tuple[Source, list[int]]:
    decoded: list[int] = []

    def decode(index: int) -> Decoded:
        decoded.append(index)
        assert source.decode
        return source.decode(index)

    return dataclasses.replace(source, decode=decode), decoded


def told(pack: Pack) -> dict[str, str]:
    return {finding.id: finding.text for finding in pack.repairs}


def stack(*shape: int, seed: int = 0) -> Pack:
    images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return make_pack(open_source(arrays(images, np.arange(len(images)) % 2)))


def test_every_image_is_decoded_exactly_once_and_never_again(four: Path) -> None:
    source, decoded = counting(open_source(four))
    assert make_pack(source).num_decoded == 4
    assert sorted(decoded) == [0, 1, 2, 3]
    assert make_pack(source).num_decoded == 0
    assert len(decoded) == 4


def test_sixteen_bit_files_too_are_decoded_once(tmp_path: Path) -> None:
    for place, name in enumerate(("a/1", "a/2", "b/1", "b/2")):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 1000 * place, np.uint16)).save(tmp_path / "d" / f"{name}.png")
    source, decoded = counting(open_source(tmp_path / "d"))
    pack = make_pack(source)
    assert sorted(decoded) == [0, 1, 2, 3]
    assert [int(pack.image(place)[0, 0, 0]) for place in range(4)] == [round(1000 * place * 255 / 4095) for place in range(4)]
    assert [int(source.read(place)[0, 0]) for place in range(4)] == [int(pack.image(place)[0, 0, 0]) for place in range(4)]
    assert "so that 4095 is white (largest value 3000): 4 images" in told(pack)["bit-depth"]


def test_images_keep_their_own_size_and_values(tree: Tree) -> None:
    folder = tree("a/1.png", "a/2.png", "b/1.png")
    tree("b/2.png", size=(31, 7))
    Image.new("RGB", (3, 2), (9, 8, 7)).save(folder / "b/3.png")
    pack = make_pack(open_source(folder))
    assert pack.shapes_N3.tolist() == [[6, 8, 1], [6, 8, 1], [6, 8, 1], [7, 31, 1], [2, 3, 3]]
    assert pack.num_channels == 3
    assert pack.image(4).tolist() == [[[9, 8, 7]] * 3] * 2
    assert all(
        np.array_equal(pack.image(place)[..., 0], np.asarray(Image.open(folder / pack.ids_N[place]))) for place in range(4)
    )


def test_gray_kept_as_colour_becomes_one_channel_without_loss() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 1), dtype=np.uint8)
    pack = make_pack(open_source(arrays(gray.repeat(3, axis=-1), [0, 1, 0, 1])))
    assert pack.num_channels == 1
    assert np.array_equal(pack.image(2), gray[2])
    assert told(pack)["gray"].endswith("4 images")


@pytest.mark.parametrize("deep", [False, True])
def test_large_images_are_reduced_to_512_and_it_is_said(deep: bool) -> None:
    images = np.full((4, 600, 1200), 60000 if deep else 100, np.uint16 if deep else np.uint8)
    images[:, :, :600] = 0
    pack = make_pack(open_source(arrays(images, [0, 1, 0, 1])))
    assert pack.shapes_N3[0].tolist() == [512, 1024, 1]
    assert pack.image(0)[:, -1, 0].tolist() == [round(60000 / 257) if deep else 100] * 512
    assert "512" in told(pack)["reduced"]


def test_splits_and_groups_come_from_the_source_without_decoding_again(four: Path) -> None:
    make_pack(open_source(four))
    pack = make_pack(open_source(four, group=r"(\d)\.png"))
    assert pack.num_decoded == 0
    assert pack.groups_N == ("1", "2", "1", "2")


def test_a_changed_image_or_label_makes_another_pack(four: Path) -> None:
    before = make_pack(open_source(four)).key
    Image.new("L", (8, 6), 5).save(four / "cat/1.png")
    changed = make_pack(open_source(four)).key
    (four / "dog").rename(four / "hound")
    assert len({before, changed, make_pack(open_source(four)).key}) == 3


def test_a_pack_cut_short_is_made_again(four: Path) -> None:
    pack = make_pack(open_source(four))
    os.truncate(pack.folder / "pixels.bin", 7)
    assert make_pack(open_source(four)).num_decoded == 4
    (pack.folder / "manifest.json").unlink()
    assert make_pack(open_source(four)).num_decoded == 4


def test_all_unreadable_files_are_gathered_and_nothing_half_written_stays(tree: Tree) -> None:
    folder = tree("a/good.png", *(f"a/{place}.png" for place in range(3)), "b/1.png", "b/2.png", "b/3.jpg", "b/4.png")
    (folder / "a/0.png").write_bytes(b"")
    for cut in ("a/1.png", "b/3.jpg"):
        (folder / cut).write_bytes((folder / cut).read_bytes()[:-40])
    (folder / "a/2.png").write_text("I am no image")
    (folder / "b/1.png").unlink()
    (folder / "b/1.png").symlink_to(folder / "gone.png")
    corrupt = bytearray((folder / "b/2.png").read_bytes())
    corrupt[45] ^= 0xFF
    (folder / "b/2.png").write_bytes(corrupt)
    with pytest.raises(DataError) as caught:
        make_pack(open_source(folder))
    assert "6 of 8 images cannot be read" in caught.value.text
    assert "a/0.png (it has no bytes)" in caught.value.text
    assert "a/2.png (it is none of PNG" in caught.value.text
    assert "b/1.png (No such file or directory)" in caught.value.text
    assert "and 1 more" in caught.value.text
    assert caught.value.remedy
    assert list((cache.root() / "packs").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_a_storage_error(four: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError):
        make_pack(open_source(four))


def test_a_gray_view_stores_one_channel_and_says_three() -> None:
    view = make_view(stack(4, 10, 12), size=(5, 6), num_channels=3)
    assert view.pixels_NCHW.shape == (4, 1, 5, 6)
    assert view.num_channels == 3


@pytest.mark.parametrize("shape", [(4, 6, 6), (4, 6, 6, 3)])
def test_images_of_the_size_asked_for_are_not_copied(shape: tuple[int, ...]) -> None:
    pack = stack(*shape)
    view = make_view(pack, size=(6, 6), num_channels=3)
    assert np.shares_memory(view.pixels_NCHW, pack.pixels.parts[0])
    assert np.array_equal(view.pixels_NCHW[3].transpose(1, 2, 0), pack.image(3))
    assert not (cache.root() / "views").exists()


def test_a_view_is_resized_as_pillow_does_and_made_once() -> None:
    pack = stack(4, 20, 30, 3)
    view = make_view(pack, size=(8, 9), num_channels=3, interpolation="bicubic")
    expected = Image.fromarray(pack.image(1)).resize((9, 8), Image.Resampling.BICUBIC)
    assert np.array_equal(view.pixels_NCHW[1].transpose(1, 2, 0), np.asarray(expected))
    made = [path.stat().st_mtime_ns for path in (cache.root() / "views").glob("*/pixels.bin")]
    again = make_view(pack, size=(8, 9), num_channels=3, interpolation="bicubic")
    assert made == [path.stat().st_mtime_ns for path in (cache.root() / "views").glob("*/pixels.bin")]
    assert np.array_equal(again.pixels_NCHW[np.arange(4)], view.pixels_NCHW[np.arange(4)])


def test_colour_becomes_gray_by_luminance() -> None:
    pack = stack(4, 6, 6, 3)
    view = make_view(pack, size=(6, 6), num_channels=1)
    expected = pack.image(0).astype(float) @ [0.299, 0.587, 0.114]
    assert view.pixels_NCHW.shape == (4, 1, 6, 6)
    assert np.abs(view.pixels_NCHW[0][0] - expected).max() <= 1


def test_a_centre_crop_is_taken_from_the_shorter_side() -> None:
    images = np.zeros((4, 40, 80), np.uint8)
    images[:, :, 20:60] = 200
    pack = make_pack(open_source(arrays(images, [0, 1, 0, 1])))
    cropped = make_view(pack, size=(18, 18), num_channels=1, resize=20).pixels_NCHW[np.arange(4)]
    assert cropped.min() == 200
    assert make_view(pack, size=(18, 18), num_channels=1).pixels_NCHW[np.arange(4)].min() == 0


@pytest.mark.parametrize("asked", [{"resize": 3}, {"interpolation": "cubist"}, {"num_channels": 2}])
def test_a_view_that_cannot_be_had_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        make_view(stack(4, 6, 6), **{"size": (4, 4), "num_channels": 1, **asked})  # type: ignore[arg-type]
    assert caught.value.remedy


@pytest.mark.real
@pytest.mark.skipif("XZOO_REAL" not in os.environ, reason="needs the real data named by XZOO_REAL")
def test_real_radiographs_are_decoded_once_and_kept_as_gray() -> None:
    source = open_source(Path(os.environ["XZOO_REAL"]) / "data/cxr")
    pack = make_pack(source)
    assert (len(pack), pack.num_decoded, pack.num_channels) == (2400, 2400, 1)
    assert make_pack(source).num_decoded == 0
    assert make_view(pack, size=(224, 224), num_channels=3).pixels_NCHW.shape == (2400, 1, 224, 224)


PACKER = """
import sys
import numpy as np
from xzoo.data.pack import make_pack, make_view
from xzoo.data.source import arrays, open_source

sys.stdin.readline()
for which in range(40):
    images = np.full((6, 40, 40), which, dtype=np.uint8)
    pack = make_pack(open_source(arrays(images, np.arange(6) % 2)))
    view = make_view(pack, size=(20, 20), num_channels=1)
    assert (pack.image(5) == which).all() and (view.pixels_NCHW == which).all()
"""


def test_processes_may_make_the_same_packs_and_views_at_once(own_cache: Path) -> None:
    path = os.pathsep.join(place for place in sys.path if place)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PACKER]
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert [len(list((own_cache / kind).iterdir())) for kind in ("packs", "views")] == [40, 40]
