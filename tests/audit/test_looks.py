"""One pass over a pack sees every image once, whatever its size, and tells equal pixels from others."""

from __future__ import annotations

import numpy as np
import pytest

from xzoo.audit import looks
from xzoo.audit.traits import NAMED, TRAITS, traits_of
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import arrays, open_source


@pytest.fixture
def mixed(own_cache: object) -> Pack:
    """Twelve images, the eighth of which shows what the third does."""
    images_NHW = np.random.default_rng(0).integers(0, 256, (12, 20, 24), np.uint8)
    images_NHW[7] = images_NHW[2]
    return make_pack(open_source(arrays(images_NHW, np.arange(12) % 2)))


def test_every_image_is_looked_at(mixed: Pack) -> None:
    found = looks.look_at(mixed)
    assert len(set(found.digests)) == 11
    assert found.digests[7] == found.digests[2]
    brightness_N = found.traits_NT[:, TRAITS.index("brightness")]
    assert np.allclose(brightness_N, [mixed.image(place).mean() for place in range(12)], rtol=1e-5)
    assert found.sketches_NHW.shape == (12, looks.SKETCH, looks.SKETCH)


def test_traits_say_what_they_measure() -> None:
    random = np.random.default_rng(0)
    smooth = np.tile(np.linspace(0, 200, 64), (64, 1)).astype(np.uint8)
    noisy = (smooth + random.integers(0, 40, (64, 64))).clip(0, 255).astype(np.uint8)
    plain, grained = (dict(zip(TRAITS, traits_of(image, image[:48, :48], 1).tolist(), strict=True)) for image in (smooth, noisy))
    assert len(plain) == len(TRAITS) > len(NAMED)
    assert plain["brightness"] == pytest.approx(smooth.mean(), rel=1e-5)
    assert plain["contrast"] == pytest.approx(smooth.std(), rel=1e-5)
    assert plain["noise"] == 0
    assert grained["noise"] > 3
    assert grained["sharpness"] > plain["sharpness"]
    assert (plain["height"], plain["aspect"], plain["channels"]) == (64, 1, 1)


def test_the_smallest_images_have_traits_too() -> None:
    for shape in ((1, 1), (1, 5), (2, 2)):
        found = traits_of(np.full(shape, 7, np.uint8), np.full((48, 48), 7, np.uint8), 1)
        assert np.isfinite(found).all()
