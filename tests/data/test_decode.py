import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from xzoo.data.decode import UnreadableImageError, decode, deep_range, to_uint8
from xzoo.data.pack import make_pack
from xzoo.data.source import open_source

RAMP = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def with_alpha(alpha: int) -> Image.Image:
    image = Image.fromarray(np.stack([RAMP, RAMP // 2, RAMP // 3], axis=-1)).convert("RGBA")
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize(
    ("name", "image", "note"),
    [
        ("a.png", with_alpha(128), "alpha"),
        ("a.png", with_alpha(255), "opaque-alpha"),
        ("a.png", Image.fromarray(RAMP).convert("LA"), "opaque-alpha"),
        ("a.jpg", Image.new("CMYK", (8, 6), (0, 100, 200, 0)), "cmyk"),
        ("a.png", with_alpha(255).convert("RGB").quantize(8), "palette"),
        ("a.gif", with_alpha(255).convert("RGB").quantize(8), "palette"),
        ("a.png", Image.fromarray(RAMP > 100), "one-bit"),
        ("a.tif", Image.fromarray(RAMP.astype(np.float32) / 255), "float"),
        ("a.tif", Image.new("LAB", (8, 6)), "colour-space"),
    ],
)
def test_unusual_modes_become_gray_or_rgb_and_it_is_noted(tmp_path: Path, name: str, image: Image.Image, note: str) -> None:
    decoded = decode(saved(tmp_path / name, image), name)
    assert decoded.pixels.dtype == np.uint8
    assert decoded.pixels.shape in {(6, 8), (6, 8, 3)}
    assert decoded.notes == (note,)


def test_usual_modes_need_no_note(tmp_path: Path) -> None:
    assert np.array_equal(decode(saved(tmp_path / "a.bmp", Image.fromarray(RAMP)), "a").pixels, RAMP)
    assert decode(saved(tmp_path / "a.webp", Image.new("RGB", (8, 6), (1, 2, 3))), "a").notes == ()


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    assert decode(saved(tmp_path / "a.png", with_alpha(0)), "a").pixels.max() == 0
    palette = Image.fromarray(RAMP // 60).convert("P")
    assert decode(saved(tmp_path / "b.png", palette, transparency=0), "b").notes == ("alpha",)


def test_float_and_one_bit_images_are_widened(tmp_path: Path) -> None:
    assert np.array_equal(decode(saved(tmp_path / "a.tif", Image.fromarray(RAMP.astype(np.float32) / 255)), "a").pixels, RAMP)
    assert np.array_equal(decode(saved(tmp_path / "a.png", Image.fromarray(RAMP > 100)), "a").pixels, (RAMP > 100) * 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_kept_until_the_dataset_is_known(tmp_path: Path, suffix: str) -> None:
    deep = RAMP.astype(np.uint16) * 200
    decoded = decode(saved(tmp_path / f"a.{suffix}", Image.fromarray(deep)), "a")
    assert decoded.pixels.dtype == np.uint16
    assert np.array_equal(decoded.pixels, deep)


@pytest.mark.parametrize(("largest", "full"), [(0, 255), (255, 255), (256, 4095), (4095, 4095), (4096, 65535), (65535, 65535)])
def test_the_range_is_of_8_12_or_16_bits(largest: int, full: int) -> None:
    assert deep_range(largest) == full


@pytest.mark.parametrize("full", [255, 4095, 65535])
def test_scaling_rounds_and_never_clips(full: int) -> None:
    values = np.arange(0, full + 1, 7, dtype=np.uint16)
    assert np.abs(to_uint8(values, full) - values * 255.0 / full).max() <= 0.5


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
def test_images_are_turned_upright(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(np.full((6, 8, 3), RAMP[..., None])), exif=exif)
    decoded = decode(path, "a")
    assert decoded.pixels.shape == (8, 6, 3)
    assert decoded.notes == ("orientation",)
    assert decoded.pixels[0, 0].mean() > decoded.pixels[0, -1].mean()


def test_the_first_of_several_frames_is_used(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 6), value) for value in (10, 200)]
    decoded = decode(saved(tmp_path / "a.tif", frames[0], save_all=True, append_images=frames[1:]), "a")
    assert decoded.pixels.max() == 10
    assert decoded.notes == ("frames",)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((2, 2), np.nan, np.float32), "NaN"),
        (np.full((2, 2), 3.5, np.float32), "from 3.5 to 3.5"),
        (np.full((2, 2), -7, np.int32), "beyond 16 bits"),
    ],
)
def test_values_that_no_rule_covers_are_refused(tmp_path: Path, values: NDArray[Any], reason: str) -> None:
    with pytest.raises(UnreadableImageError) as caught:
        decode(saved(tmp_path / "a.tif", Image.fromarray(values)), "a.tif")
    assert reason in caught.value.text
    assert "a.tif" in caught.value.text
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RAMP))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(UnreadableImageError, match="suspiciously large"):
        decode(path, "a.png")


def test_a_format_outside_the_list_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.ppm", Image.fromarray(RAMP)).rename(tmp_path / "a.png")
    with pytest.raises(UnreadableImageError, match="none of PNG"):
        decode(path, "a.png")


def test_conversions_are_said_once_for_each_kind_with_their_count(tmp_path: Path) -> None:
    for place, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/2.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        saved(tmp_path / name, with_alpha(255 - place))
    told = {finding.id: finding.text for finding in make_pack(open_source(tmp_path)).repairs}
    assert told == {
        "alpha": "transparency composited over black: 3 images",
        "opaque-alpha": "alpha channel without transparency dropped: 1 image",
    }


def test_a_large_jpeg_is_decoded_small_and_looks_the_same(tmp_path: Path) -> None:
    wide = np.zeros((2200, 3000), np.uint8)
    wide[:1100] = 200
    decoded = decode(saved(tmp_path / "a.jpg", Image.fromarray(wide)), "a").pixels
    assert decoded.shape == (1100, 1500)
    assert abs(float(decoded[:500].mean()) - 200) < 2
    assert float(decoded[600:].mean()) < 2
