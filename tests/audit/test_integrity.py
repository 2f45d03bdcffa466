"""Odd images are found among ordinary ones, and ordinary ones are not called odd."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xzoo.audit.integrity import far, inverted, oddities
from xzoo.audit.looks import SKETCH
from xzoo.data.phantom import Dials, draw


def sketches(count: int) -> NDArray[np.uint8]:
    return draw(Dials(train=count, val=0, test=0, size=SKETCH))[0]


@pytest.mark.parametrize("at_once", [1 << 14, 12])
def test_a_negative_among_radiographs_is_found(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xzoo.audit.sketches._AT_ONCE", at_once)
    sketches_NHW = sketches(40)
    sketches_NHW[7] = 255 - sketches_NHW[7]
    assert np.flatnonzero(inverted(sketches_NHW)).tolist() == [7]


def test_images_with_nothing_in_common_have_no_negatives() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, SKETCH, SKETCH), np.uint8)
    assert not inverted(noise).any()
    assert not inverted(sketches(4)).any()


def test_sizes_far_from_the_others_are_found() -> None:
    random = np.random.default_rng(0)
    values_N = np.exp(random.normal(6, 0.05, 200))
    assert not far(values_N).any()
    values_N[:2] = 90, 3000
    assert np.flatnonzero(far(values_N)).tolist() == [0, 1]
    assert not far(np.array([224.0] * 10 + [256.0])).any()


def test_every_kind_names_its_images() -> None:
    shapes_N3 = np.tile([64, 64, 1], (20, 1))
    shapes_N3[3], shapes_N3[4], shapes_N3[5] = (16, 16, 1), (64, 200, 1), (64, 64, 3)
    deviations_N = np.full(20, 40.0)
    deviations_N[6] = 0.5
    found = oddities(shapes_N3, deviations_N, sketches(20))
    assert (found.sizes, found.shapes, found.channels, found.flat, found.inverted) == ((3,), (4,), (5,), (6,), ())
