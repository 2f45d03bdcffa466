"""Augmentation policies: random parameters are a pure function of (seed, epoch, index), never of the batch an image is in."""

from __future__ import annotations

import difflib
import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xzoo.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

# N = images, B = images in a batch, C = channels, H, W = pixels, P = random numbers of an image

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luminance (ITU-R BT.601-7, section 2.5.1)."""


@dataclass(frozen=True)
class Policy:
    """How far an image may be changed: degrees, shares of the side, factors of size, and shares of brightness and so on.

    `crop` is the least share of the area that a random crop keeps (1 is no crop), its sides 3:4 to 4:3 as in Inception's
    training (https://arxiv.org/abs/1409.4842, section 6). `brightness` is added, `contrast` is about mid-gray.
    """

    rotation: float = 0.0
    translation: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    flip: bool = False
    crop: float = 1.0


POLICIES = {
    "none": Policy(),
    # Never a flip: it would put the heart on the right.
    "chest-xray": Policy(rotation=7.0, translation=0.05, scale=(0.9, 1.1), brightness=0.15, contrast=0.15),
    "natural": Policy(brightness=0.2, contrast=0.2, saturation=0.2, flip=True, crop=0.35),
}


def parse(name: str) -> Policy:
    """Return the policy of that name. Raises UsageError."""
    if name in POLICIES:
        return POLICIES[name]
    near = difflib.get_close_matches(name, POLICIES, n=1)
    raise UsageError(
        f"augmentation {name!r} is unknown", f"did you mean {near[0]!r}?" if near else f"use one of {', '.join(POLICIES)}"
    )


def augmented(images_BCHW: Tensor, policy: Policy, seed: int, epoch: int, indices_B: NDArray[np.int64]) -> Tensor:
    """Return images in [0, 1], each moved and toned by its own parameters, black where it was moved away.

    On one device an image's result is bitwise the same alone and in any batch.
    """
    height, width = images_BCHW.shape[-2:]
    return changed(images_BCHW, policy, parameters(policy, seed, epoch, indices_B, height / width).to(images_BCHW.device))


def parameters(policy: Policy, seed: int, epoch: int, indices_N: NDArray[np.int64], ratio: float) -> Tensor:
    """Return what moves and tones each image (N,9), float32: six of its matrix, then brightness, contrast, saturation.

    The matrix (2,3) leads from output to input coordinates, both in [-1, 1]; `ratio` is height to width. Without a change to
    make, there are none of the nine.
    """
    import torch

    if policy == Policy():
        return torch.empty(len(indices_N), 0)
    uniform_NP = uniforms(seed, epoch, indices_N, 10)
    reach_3 = np.array([policy.brightness, policy.contrast, policy.saturation])
    affine_N6 = _affine(policy, uniform_NP, ratio).reshape(-1, 6)
    return torch.from_numpy(np.concatenate([affine_N6, reach_3 * _signed(uniform_NP[:, 7:10])], axis=1)).float()


def changed(images_BCHW: Tensor, policy: Policy, parameters_B9: Tensor) -> Tensor:
    """Return images in [0, 1] changed by `parameters` that lie on their device."""
    if policy == Policy():
        return images_BCHW
    return _toned(_moved(images_BCHW, parameters_B9[:, :6].view(-1, 2, 3)), policy, parameters_B9[:, 6:, None, None, None])


def uniforms(seed: int, epoch: int, indices_B: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return (B,count) numbers in [0, 1), a row depending on its index, the seed and the epoch alone.

    The numbers are outputs of SplitMix64 (Steele, Lea and Flood 2014, https://doi.org/10.1145/2714064.2660195).
    """
    start = np.frombuffer(hashlib.sha256(f"xzoo augment {seed} {epoch}".encode()).digest()[:8], np.uint64)
    rows_B1 = _mixed(start + indices_B.astype(np.uint64)[:, None] * _GOLDEN)
    bits_BP = _mixed(rows_B1 + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)
    return (bits_BP >> np.uint64(11)).astype(np.float64) * 2.0**-53


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed


def _affine(policy: Policy, uniform_BP: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    # `ratio` makes rotations rigid where images are not square.
    angle_B = np.deg2rad(policy.rotation) * _signed(uniform_BP[:, 0])
    low, high = policy.scale
    size_B = low + (high - low) * uniform_BP[:, 3]
    wide_B, tall_B = _crop(policy, uniform_BP)
    x_B = _signed(uniform_BP[:, 1]) * (2 * policy.translation + 1 - wide_B)
    y_B = _signed(uniform_BP[:, 2]) * (2 * policy.translation + 1 - tall_B)
    mirror_B = np.where(policy.flip & (uniform_BP[:, 6] < 0.5), -1.0, 1.0)
    cos_B, sin_B = np.cos(angle_B) / size_B, np.sin(angle_B) / size_B
    rows = [[cos_B * wide_B * mirror_B, -sin_B * ratio * tall_B, x_B], [sin_B / ratio * wide_B * mirror_B, cos_B * tall_B, y_B]]
    return np.array(rows).transpose(2, 0, 1)


def _crop(policy: Policy, uniform_BP: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if policy.crop == 1:
        return np.ones(len(uniform_BP)), np.ones(len(uniform_BP))
    area_B = policy.crop + (1 - policy.crop) * uniform_BP[:, 4]
    shape_B = np.exp(math.log(4 / 3) * _signed(uniform_BP[:, 5]))
    return np.minimum(np.sqrt(area_B * shape_B), 1), np.minimum(np.sqrt(area_B / shape_B), 1)


def _signed(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * uniform - 1


def _moved(images_BCHW: Tensor, affine_B23: Tensor) -> Tensor:
    import torch

    height, width = images_BCHW.shape[-2:]
    theta = affine_B23[..., None, None]
    x_W = (torch.arange(width, device=images_BCHW.device) * 2 + 1) / width - 1
    y_H1 = ((torch.arange(height, device=images_BCHW.device) * 2 + 1) / height - 1)[:, None]
    # The grid of affine_grid, written out: a matrix product may round differently in batches of different size.
    grid_BHW2 = torch.stack([theta[:, row, 0] * x_W + theta[:, row, 1] * y_H1 + theta[:, row, 2] for row in (0, 1)], dim=-1)
    return torch.nn.functional.grid_sample(images_BCHW, grid_BHW2, "bilinear", "zeros", align_corners=False)


def _toned(images_BCHW: Tensor, policy: Policy, tone_B3111: Tensor) -> Tensor:
    brightness, contrast, saturation = tone_B3111.unbind(1)
    if policy.saturation and images_BCHW.shape[1] == 3:
        gray_B1HW = luminance(images_BCHW)
        images_BCHW = gray_B1HW + (images_BCHW - gray_B1HW) * (1 + saturation)
    toned_BCHW = (images_BCHW - 0.5) * (1 + contrast) + 0.5 + brightness
    return toned_BCHW.clamp(0, 1)


def luminance(images_BCHW: Tensor) -> Tensor:
    """Return (B,1,H,W) from red, green and blue (ITU-R BT.601-7)."""
    red, green, blue = LUMINANCE
    return red * images_BCHW[:, 0:1] + green * images_BCHW[:, 1:2] + blue * images_BCHW[:, 2:3]
