"""What tells one picture of a dataset from another: sketches with all that they share taken out.

Radiographs look alike, so a hash of the picture itself says little. Here each sketch is brought to mean 0 and deviation 1, the
dataset's mean sketch is taken away, and directions are weighed by how little the dataset varies along them: principal
components, whitened (Jegou and Chum 2012, https://doi.org/10.1007/978-3-642-33709-3_55), with a ridge that keeps noise small.
Cosines between what is left are near 0 for different pictures.

N = images, P = pixels of a sketch, D = dimensions
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]
Floats = NDArray[np.float32]

SIDE = 24
DIMENSIONS = 200
_MOST_SEEN = 4000
_RIDGE = 0.002
_PRIOR = 5.0
_FEW = 10
_AT_ONCE = 1 << 14

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
CROPS: tuple[Box, ...] = (
    WHOLE,
    *((cut / 2, cut / 2, 1 - cut / 2, 1 - cut / 2) for cut in (0.03, 0.06)),
    *((left, top, left + 0.97, top + 0.97) for left in (0.0, 0.03) for top in (0.0, 0.03)),
)
"""Parts of a picture (left, top, right, bottom, as shares) under which a cropped copy is looked for: what a crop of 3% leaves,
of each side or of the whole, from the middle or from a corner."""


@dataclass(frozen=True, eq=False)
class Basis:
    """The mean sketch (P) of a dataset, and the whitened principal components (P,D), those of most variance first."""

    mean_P: Floats
    components_PD: Floats

    def codes(self, sketches_NP: Floats, dimensions: int = DIMENSIONS) -> Floats:
        """Return unit vectors (N,D) of sketches that `part` made: their scalar product is the likeness of two pictures."""
        codes_ND = (levelled(sketches_NP) - self.mean_P) @ self.components_PD[:, :dimensions]
        lengths_N1 = np.linalg.norm(codes_ND, axis=1, keepdims=True)
        return np.asarray(codes_ND / np.maximum(lengths_N1, 1e-12), np.float32)


def fit(sketches_NHW: NDArray[np.uint8]) -> Basis:
    """Return the basis of a dataset's sketches, from at most 4,000 of them, evenly spaced.

    Of few pictures little is known to be shared: their mean counts n / (n + 10), and the ridge is wider by what is missing, so
    that copies of one picture stay alike where there is hardly anything else.
    """
    step = -(-len(sketches_NHW) // _MOST_SEEN)
    seen_NP = levelled(parts(sketches_NHW[::step], WHOLE)).astype(np.float64)
    num_seen = len(seen_NP)
    mean_P = seen_NP.mean(0) * (num_seen / (num_seen + _FEW))
    centred_NP = seen_NP - mean_P
    values_P, vectors_PP = np.linalg.eigh(centred_NP.T @ centred_NP / num_seen)
    order = np.argsort(-values_P, kind="stable")[:DIMENSIONS]
    ridge = _RIDGE * float(values_P.sum()) + _PRIOR * _FEW / (num_seen + _FEW)
    scale_D = 1 / np.sqrt(np.maximum(values_P[order], 0) + ridge)
    return Basis(mean_P.astype(np.float32), (vectors_PP[:, order] * scale_D).astype(np.float32))


def parts(pictures_NHW: NDArray[np.uint8], box: Box) -> Floats:
    """Return the same part of every picture as sketches (N,P) of 24 by 24 pixels."""
    return np.stack([part(Image.fromarray(picture_HW), box) for picture_HW in pictures_NHW])


def blocks(pictures_NHW: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield pictures some at a time: on the way to a code or a likeness each takes many times its size."""
    return (pictures_NHW[start : start + _AT_ONCE] for start in range(0, len(pictures_NHW), _AT_ONCE))


def part(picture: Image.Image, box: Box) -> Floats:
    """Return a part of a gray picture as a sketch (P); the box counts in shares of width and height."""
    width, height = picture.size
    area = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
    small = picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=area)
    return np.asarray(small, np.float32).ravel()


def levelled(sketches_NP: Floats) -> Floats:
    """Return sketches with mean 0 and deviation 1, so that brightness and contrast of the whole tell nothing."""
    centred_NP = sketches_NP - sketches_NP.mean(1, keepdims=True)
    return np.asarray(centred_NP / (centred_NP.std(1, keepdims=True) + 1e-3), np.float32)
