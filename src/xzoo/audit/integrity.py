"""Images that are not what the others are: flat, inverted, of another size or shape, with or without colour.

N = images, P = pixels of a sketch
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xzoo.audit.sketches import WHOLE, blocks, levelled, parts

FLAT = 1.0
"""Deviation of the pixels, in gray levels, below which an image shows nothing."""

_FAR = 6.0
_LEAST_RATIO = 1.5
_ALIKE, _INVERTED = 0.3, -0.3
_FEWEST = 8


@dataclass(frozen=True)
class Oddities:
    """Places of the images that are odd, by kind; an image may be of several kinds.

    `sizes` are shorter sides and `shapes` widths against heights far from the median, `channels` the images of the rarer kind
    where gray and colour are mixed, `inverted` those whose light and dark are swapped against the mean image.
    """

    flat: tuple[int, ...]
    inverted: tuple[int, ...]
    sizes: tuple[int, ...]
    shapes: tuple[int, ...]
    channels: tuple[int, ...]


def oddities(shapes_N3: NDArray[np.int64], deviations_N: NDArray[np.floating], sketches_NHW: NDArray[np.uint8]) -> Oddities:
    """Find odd images by their shapes (height, width, channels), the deviation of their pixels, and their sketches."""
    heights, widths = shapes_N3[:, 0].astype(np.float64), shapes_N3[:, 1].astype(np.float64)
    has_colour = shapes_N3[:, 2] == 3
    is_rarer = has_colour if 2 * has_colour.sum() <= len(has_colour) else ~has_colour
    flat = deviations_N < FLAT
    return Oddities(
        flat=_places(flat),
        inverted=_places(inverted(sketches_NHW) & ~flat),
        sizes=_places(far(np.minimum(heights, widths))),
        shapes=_places(far(widths / heights)),
        channels=_places(is_rarer),
    )


def far(values_N: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which values lie far from the median: by a factor of 1.5, and 6 deviations.

    The deviation is that of the logarithms by their median absolute deviation (Rousseeuw and Croux 1993,
    https://doi.org/10.1080/01621459.1993.10476408).
    """
    logs_N = np.log(values_N)
    away_N = np.abs(logs_N - np.median(logs_N))
    return np.asarray(away_N > max(np.log(_LEAST_RATIO), _FAR * 1.4826 * float(np.median(away_N))))


def inverted(sketches_NHW: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which images are negatives of the others: they correlate with the mean image by less than -0.3.

    That is how a radiograph looks whose MONOCHROME1 was taken for MONOCHROME2. Nothing is said of fewer than 8 images, and where
    the images have nothing in common: where their median correlation with the mean image is below 0.3.
    """
    if len(sketches_NHW) < _FEWEST:
        return np.zeros(len(sketches_NHW), bool)
    mean_P = np.median(levelled(parts(sketches_NHW[:: -(-len(sketches_NHW) // 4000)], WHOLE)), axis=0)
    scale = len(mean_P) * (mean_P.std() + 1e-9)
    likeness_N = np.concatenate([levelled(parts(block, WHOLE)) @ mean_P / scale for block in blocks(sketches_NHW)])
    return np.asarray((likeness_N < _INVERTED) & (np.median(likeness_N) > _ALIKE))


def _places(is_odd_N: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(is_odd_N).tolist())
