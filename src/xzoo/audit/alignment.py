"""Whether two pictures that look alike are one: laid over each other, then compared by what the dataset does not share.

H, W = pixels, D = dimensions
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xzoo.audit.sketches import WHOLE, Basis, Box, part

SIDE = 64
LEAST_DETAIL = 0.93
"""Correlation of detail from which two pictures may be one: of 300 radiographs re-encoded, resized, cropped and brightened the
least was 0.987, of the 400 most similar of different images the most 0.833; of drawn phantoms, which share their shapes, 0.97."""

LEAST_LIKENESS = 0.90
"""Cosine of whitened sketches from which they are one: the least was 0.99 there, the most of different images 0.83; of phantoms
0.87 among 1,250."""

_CUTS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07)
_REACH = 5
_RIM = 3


@dataclass(frozen=True)
class Match:
    """Correlation of the detail of two pictures laid over each other, and the likeness of what they share."""

    detail: float
    likeness: float

    @property
    def is_one_picture(self) -> bool:
        """Whether both say so."""
        return self.detail >= LEAST_DETAIL and self.likeness >= LEAST_LIKENESS


@dataclass(frozen=True, eq=False)
class Layers:
    """A picture with the spectra of its detail: whole, and as crops of several sizes blown up to the same side."""

    picture: Image.Image
    details: tuple[NDArray[np.float32], ...]
    spectra: tuple[NDArray[Any], ...]


def layers(picture: Image.Image) -> Layers:
    """Return what `match` compares of a gray picture; it is reduced to 64 by 64 pixels."""
    details = tuple(_detail(_crop(picture, cut)) for cut in _CUTS)
    return Layers(picture, details, tuple(np.fft.rfft2(detail_HW) for detail_HW in details))


def match(one: Layers, other: Layers, basis: Basis) -> Match:
    """Lay a crop of one picture over the whole of the other, and the other way round, and compare the best of both.

    Found are crops of up to 7% of a side that are moved by up to 8%. Detail is what differs from its surroundings, divided by
    the contrast there, so that neither brightness nor the large shapes count; its correlation is that of the shared area.
    """
    best, boxes, is_swapped = -1.0, (WHOLE, WHOLE), False
    for swapped, (cropped, whole) in enumerate(((one, other), (other, one))):
        for place, cut in enumerate(_CUTS[swapped:], swapped):
            detail, found = _laid(cropped, place, cut, whole)
            if detail > best:
                best, boxes, is_swapped = detail, found, bool(swapped)
    first, second = (other, one) if is_swapped else (one, other)
    codes_2D = basis.codes(np.stack([part(first.picture, boxes[0]), part(second.picture, boxes[1])]))
    return Match(best, float(codes_2D[0] @ codes_2D[1]))


def _laid(cropped: Layers, place: int, cut: float, whole: Layers) -> tuple[float, tuple[Box, Box]]:
    """Return the best correlation of a crop's detail with the other's, and the shared area as a box in each picture."""
    surface_HW = np.fft.irfft2(np.conj(cropped.spectra[place]) * whole.spectra[0], s=(SIDE, SIDE))
    near = np.roll(surface_HW, (_REACH, _REACH), (0, 1))[: 2 * _REACH + 1, : 2 * _REACH + 1]
    down, right = (int(shift) - _REACH for shift in np.unravel_index(near.argmax(), near.shape))
    rows, columns = _shared(down), _shared(right)
    a_HW = cropped.details[place][rows[0] : rows[1], columns[0] : columns[1]][_RIM:-_RIM, _RIM:-_RIM]
    b_HW = whole.details[0][rows[0] + down : rows[1] + down, columns[0] + right : columns[1] + right][_RIM:-_RIM, _RIM:-_RIM]
    norm = float(np.sqrt((a_HW * a_HW).sum() * (b_HW * b_HW).sum()))
    inner = (1 - cut) / SIDE
    box = (cut / 2 + columns[0] * inner, cut / 2 + rows[0] * inner, cut / 2 + columns[1] * inner, cut / 2 + rows[1] * inner)
    other = ((columns[0] + right) / SIDE, (rows[0] + down) / SIDE, (columns[1] + right) / SIDE, (rows[1] + down) / SIDE)
    return (float((a_HW * b_HW).sum()) / norm if norm else 0.0), (box, other)


def _shared(shift: int) -> tuple[int, int]:
    return max(0, -shift), SIDE - max(0, shift)


def _crop(picture: Image.Image, cut: float) -> NDArray[np.float32]:
    width, height = picture.size
    box = (width * cut / 2, height * cut / 2, width * (1 - cut / 2), height * (1 - cut / 2))
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box), np.float32)


def _detail(values_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    band_HW = _blurred(values_HW, 0.7) - _blurred(values_HW, 3.0)
    contrast_HW = np.sqrt(np.maximum(_blurred(band_HW * band_HW, 4.0), 0))
    return np.asarray(band_HW / (contrast_HW + 2.0), np.float32)


def _blurred(values_HW: NDArray[np.float32], deviation: float) -> NDArray[np.float32]:
    kernel = _gaussian(deviation)
    return np.asarray(kernel @ values_HW @ kernel.T, np.float32)


@lru_cache(maxsize=8)
def _gaussian(deviation: float) -> NDArray[np.float32]:
    """Return the matrix (H,H) that blurs along one axis; at the rim the weights that fall outside are shared by the rest."""
    place = np.arange(SIDE)
    weights = np.exp(-0.5 * ((place[:, None] - place[None, :]) / deviation) ** 2)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)
