"""Traits of an image that need no network: brightness, contrast, sharpness, noise, shape, and where it is bright.

H, W = pixels, T = traits
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

NAMED: Mapping[str, str] = {
    "brightness": "the mean of its pixels",
    "contrast": "the deviation of its pixels",
    "darkest": "its 1% quantile",
    "brightest": "its 99% quantile",
    "sharpness": "what neighbouring pixels differ by, against the contrast",
    "noise": "what a pixel differs by from its neighbours' mean, as the median over the image",
    "height": "its height in pixels",
    "aspect": "its width against its height",
    "channels": "1 for gray, 3 for colour",
}
"""The traits that a reader is told of, each with what it measures; sizes are those of the pack (shorter side at most 512)."""

_GRID = 4
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_SCALES = (1, 2, 4)
TRAITS = (
    *NAMED,
    *(f"quantile {level:g}" for level in _LEVELS),
    *(f"detail at {scale} pixels" for scale in _SCALES),
    *(f"brightness of field {field + 1}" for field in range(_GRID**2)),
    *(f"contrast of field {field + 1}" for field in range(_GRID**2)),
)
"""Every trait; fields are those of a grid of 4 by 4, row by row."""


def traits_of(image_HW: NDArray[np.uint8], sketch_HW: NDArray[np.uint8], num_channels: int) -> NDArray[np.float32]:
    """Return the traits (T) of a gray image and its small sketch, in the order of TRAITS; brightness runs from 0 to 255."""
    values = image_HW.astype(np.int16)
    mean, spread = float(image_HW.mean()), float(image_HW.std())
    low, high = _quantiles(image_HW, (0.01, 0.99))
    height, width = values.shape
    named = (mean, spread, low, high, _sharpness(values, spread), _noise(values), height, width / height, num_channels)
    small = sketch_HW.astype(np.float32)
    fields = small.reshape(_GRID, len(small) // _GRID, _GRID, -1)
    details = [float(np.abs(small[:, scale:] - small[:, :-scale]).mean()) for scale in _SCALES]
    parts = (_quantiles(sketch_HW, _LEVELS), details, fields.mean((1, 3)).ravel(), fields.std((1, 3)).ravel())
    return np.concatenate([np.asarray(named, np.float32), *parts]).astype(np.float32)


def _sharpness(values: NDArray[np.int16], spread: float) -> float:
    steps = [np.abs(np.diff(values, axis=axis)).mean() for axis in (0, 1) if values.shape[axis] > 1]
    return float(np.mean(steps)) / (spread + 1) if steps else 0.0


def _noise(values: NDArray[np.int16]) -> float:
    """Return the median residual of Immerkaer's mask (1996, https://doi.org/10.1006/cviu.1996.0060), blind to straight edges."""
    if min(values.shape) < 3:
        return 0.0
    across = values[:-2] - 2 * values[1:-1] + values[2:]
    return float(_quantiles(np.abs(across[:, :-2] - 2 * across[:, 1:-1] + across[:, 2:]), (0.5,))[0]) / 6


def _quantiles(values: NDArray[np.integer], shares: Sequence[float]) -> NDArray[np.int64]:
    """Return for each share the smallest value that so large a part does not exceed, by counting, which is quick."""
    counts = np.cumsum(np.bincount(values.ravel()))
    return np.asarray(np.searchsorted(counts, np.asarray(shares) * counts[-1]), np.int64)
