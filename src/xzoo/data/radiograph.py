"""Drawing a chest X-ray: thorax, lungs, ribs, spine and heart, the shadows of pneumonia, and the detector.

Only sums, products, quotients and comparisons of uniform numbers are used, which IEEE 754 rounds alike everywhere, so a
picture is the same bytes on every machine (`** 4` would call the C library's pow). Brightness runs from 0 (air) to 1 (bone).
"""

# H, W = pixels; x and y run from -1 to 1, left to right and top to bottom

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def chest(rng: np.random.Generator, size: int) -> tuple[Floats, Floats]:
    """Return brightness in [0, 1] and the share of each pixel that is lung, both (H,W)."""
    x, y = _grid(size)
    lean, wide, tall = _between(rng, -0.08, 0.08), _between(rng, 0.92, 1.08), _between(rng, 0.92, 1.08)
    x = (x - _between(rng, -0.06, 0.06) - lean * y) / wide
    y = (y - _between(rng, -0.06, 0.06)) / tall
    side = np.abs(x)
    body = _rise(1.0 - (x / 0.96) ** 2 * (0.80 + 0.20 * y * y) - _above(-y - 0.72) * side * 2.2, 0.14)
    lungs = _lung(x, y, -0.44, _between(rng, 0.52, 0.64)) + _lung(x, y, 0.46, _between(rng, 0.58, 0.70))
    ribs = _ribs(side, y, rng) * _rise(1.05 - (x / 0.90) ** 2 - ((y / 0.92) ** 2) ** 2, 0.3)
    spine = _rise(0.13 - side, 0.10) * (0.8 + 0.2 * _wave(y * _between(rng, 5.0, 6.0)))
    heart = _rise(1.0 - ((x - _between(rng, 0.10, 0.17)) / _between(rng, 0.30, 0.38)) ** 2 - ((y - 0.30) / 0.40) ** 2, 0.35)
    collar = _rise(0.045 - np.abs(y + 0.70 + 0.30 * side - 0.2 * side * side), 0.04) * _rise(side - 0.10, 0.1)
    hilum = _bump((side - 0.22) / 0.22, (y + 0.02) / 0.34) * _between(rng, 0.03, 0.10)
    lungs = np.minimum(lungs, 1.0) * (1.0 - 0.85 * heart) * (1.0 - 0.9 * spine)
    air, flesh = _between(rng, 0.36, 0.44), 0.60 + 0.10 * y + _between(rng, -0.02, 0.02)
    image = flesh - air * lungs + 0.09 * ribs + 0.14 * spine + 0.10 * heart + 0.07 * collar + hilum * lungs
    image_HW: Floats = body * (image + 0.07 * (_clouds(rng, size, 7) - 0.5))
    lungs_HW: Floats = lungs * body
    return image_HW, lungs_HW


def opacities(rng: np.random.Generator, size: int) -> Floats:
    """Return soft, patchy shadows (H,W) for both lungs; what lies outside them is masked by the caller."""
    x, y = _grid(size)
    shade = np.zeros((size, size))
    first = -1.0 if rng.random() < 0.5 else 1.0
    for number in range(4):
        centre_x = (first if number % 2 == 0 else -first) * _between(rng, 0.34, 0.58)
        centre_y, radius = _between(rng, -0.25, 0.50), _between(rng, 0.46, 0.68)
        shade = shade + _between(rng, 0.32, 0.48) * _bump((x - centre_x) / radius, (y - centre_y) / (1.15 * radius))
    return np.minimum(shade, 0.45) * (0.6 + 0.8 * _clouds(rng, size, 9)) * _between(rng, 0.85, 1.10)


def detect(image_HW: Floats, rng: np.random.Generator, grain: np.random.Generator, shift: float) -> NDArray[np.uint8]:
    """Expose and digitise; `shift` stands for another machine: brighter, flatter, softer, noisier, darker at the rim."""
    size = len(image_HW)
    x, y = _grid(size)
    image = image_HW * _between(rng, 0.94, 1.06) + _between(rng, -0.025, 0.025) + _between(grain, -0.01, 0.01)
    image = image * (1.0 - 0.35 * shift) + 0.20 * shift - 0.10 * shift * (x * x + y * y)
    for _ in range(max(1, size // 64)):
        image = image + 0.8 * shift * (_soften(image) - image)
    noise = grain.random((size, size)) + grain.random((size, size)) + grain.random((size, size)) - 1.5
    image = image + noise * (0.035 + 0.03 * shift)
    return np.rint(np.minimum(np.maximum(image, 0.0), 1.0) * 255.0).astype(np.uint8)


def _lung(x: Floats, y: Floats, centre: float, floor: float) -> Floats:
    """Return a lung with its apex up and a domed diaphragm at `floor`."""
    across = (x - centre * (0.86 + 0.20 * y)) / (0.31 + 0.07 * y)
    inside = _rise(1.0 - across * across - (((y + 0.06) / 0.78) ** 2) ** 2, 0.35)
    return inside * _rise(floor - y - 0.10 + 0.9 * (0.20 - (x - centre) ** 2) - 0.10, 0.10)


def _ribs(side: Floats, y: Floats, rng: np.random.Generator) -> Floats:
    bend = y - 0.55 * side + 0.75 * side * side
    return _above(_wave(bend * _between(rng, 3.6, 4.2) + _between(rng, 0.0, 1.0)) - 0.35) / 0.65


@functools.lru_cache(maxsize=4)
def _grid(size: int) -> tuple[Floats, Floats]:
    place: Floats = (np.arange(size, dtype=np.float64) + 0.5) * (2.0 / size) - 1.0
    return place[None, :], place[:, None]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * rng.random()


def _above(value: Floats) -> Floats:
    return np.maximum(value, 0.0)


def _rise(value: Floats, width: float) -> Floats:
    """Return 0 below -width, 1 above width, and a smooth step between."""
    t = np.minimum(np.maximum(value / (2.0 * width) + 0.5, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def _bump(x: Floats, y: Floats) -> Floats:
    inside = _above(1.0 - x * x - y * y)
    return inside * inside


def _wave(value: Floats) -> Floats:
    """Return a smooth wave between 0 and 1 of period 1."""
    t = np.abs(value - np.floor(value) - 0.5) * 2.0
    return t * t * (3.0 - 2.0 * t)


def _clouds(rng: np.random.Generator, size: int, cells: int) -> Floats:
    """Return smooth random texture in [0, 1] with `cells` swells across (bilinear between random heights)."""
    heights = rng.random((cells + 1, cells + 1))
    place = (np.arange(size) + 0.5) * (cells / size)
    low = place.astype(np.int64)
    t = place - low
    t = t * t * (3.0 - 2.0 * t)
    rows: Floats = heights[low] * (1.0 - t)[:, None] + heights[low + 1] * t[:, None]
    texture: Floats = rows[:, low] * (1.0 - t) + rows[:, low + 1] * t
    return texture


def _soften(image: Floats) -> Floats:
    padded = np.pad(image, 1, mode="edge")
    rows = padded[:-2] * 0.25 + padded[1:-1] * 0.5 + padded[2:] * 0.25
    return rows[:, :-2] * 0.25 + rows[:, 1:-1] * 0.5 + rows[:, 2:] * 0.25
