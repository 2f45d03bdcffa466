"""Whether an engine and its precision say what float32 says: the rule that faster arithmetic has to keep.

B = images in a batch, C = channels, H, W = pixels, N = images, K = classes
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xzoo.evaluate.engines.eager import Eager
from xzoo.evaluate.engines.engine import Engine, Loaded
from xzoo.train.device import Device

LEAST = 0.995
"""The share of images whose most probable class must stay the same."""

MOST_NOISE = 0.08
"""The share of the spread of features that rounding may make up, on drawn images.

A score that is spread about a threshold changes its sign in arctan(noise) / pi of the images at worst. In bfloat16 sound bodies
measured 0.01 to 0.03, and a published one with tiny channels 0.29 (docs/benchmarks.md).
"""

_NUM_DRAWN, _COARSE = 4, 4


@dataclass(frozen=True)
class Agreement:
    """How far features found agree with those in float32, on `n` images.

    `share` counts images with the same most probable class. `noise` is the error beyond a shift common to all images, by the
    spread of the features among images; `largest_error` that of one image's features, by their norm. `precision` is what the
    features were computed in.
    """

    share: float
    noise: float
    largest_error: float
    precision: str
    n: int

    @property
    def holds(self) -> bool:
        """Whether the rule is kept."""
        return self.share >= LEAST


def agreement(
    body: nn.Module, logits_of: Callable[[Tensor], Tensor], batches: Iterable[Tensor], engine: Engine, device: Device
) -> Agreement:
    """Compare an engine on a device, at its precision, with eager float32 on the same batches of images (B,C,H,W).

    `logits_of` gives logits (B,K) from features. Raises ValueError where there are no images.
    """
    images = list(batches)
    if not images:
        raise ValueError("no images to compare")
    loaded = engine.load(body, images[0], device)
    exact = Eager().load(body, images[0], replace(device, precision="fp32"))
    found, expected = (torch.cat([run(images_BCHW) for images_BCHW in images]) for run in (loaded, exact))
    return compared(found, expected, logits_of, loaded.precision)


def compared(found: Tensor, expected: Tensor, logits_of: Callable[[Tensor], Tensor], precision: str) -> Agreement:
    """Compare features (N,...) computed in some precision with those expected, which float32 gave."""
    with torch.no_grad():
        same_N = logits_of(found).argmax(1) == logits_of(expected).argmax(1)
    errors_N = (found - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    return Agreement(float(same_N.double().mean()), noise(found, expected), float(errors_N.max()), precision, len(found))


def noise(found: Tensor, expected: Tensor) -> float:
    """Return the error of features (N,...) by their spread, both about their means over the images."""
    error_ND, spread_ND = ((one - one.mean(0)).flatten(1) for one in (found.double() - expected, expected.double()))
    error, spread = float(error_ND.norm()), float(spread_ND.norm())
    return error / spread if spread else float(error > 0)


def guarded(engine: Engine, body: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
    """Return the body loaded as the engine loads it; in float32 where bfloat16 makes more than MOST_NOISE, which `detail` says.

    That is found on drawn images, so that it depends on the body and the size of images alone, and is the same in every call.
    """
    loaded = engine.load(body, images_BCHW, device)
    if loaded.precision != "bf16":
        return loaded
    exact_device, drawn_BCHW = replace(device, precision="fp32"), _drawn(images_BCHW)
    found = noise(loaded(drawn_BCHW), Eager().load(body, drawn_BCHW, exact_device)(drawn_BCHW))
    if found <= MOST_NOISE:
        return loaded
    exact = engine.load(body, images_BCHW, exact_device)
    return replace(exact, detail=f"{exact.detail}; fp32, because bf16 changes the features by {found:.0%} of their spread")


def _drawn(like_BCHW: Tensor) -> Tensor:
    """Return images of the same size that are as unlike each other as light and shadow make them: smooth, of deviation near 1."""
    coarse = torch.randn(_NUM_DRAWN, like_BCHW.shape[1], _COARSE, _COARSE, generator=torch.Generator().manual_seed(0))
    size = (like_BCHW.shape[2], like_BCHW.shape[3])
    smooth_BCHW = F.interpolate(coarse, size, mode="bilinear")
    return smooth_BCHW.to(like_BCHW.device).contiguous(memory_format=torch.channels_last)
