"""A trained network as it is put to use: images in, logits out.

B = images in a batch, C = channels, H, W = pixels, K = classes
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xzoo.data.augment import luminance
from xzoo.data.batches import normalised
from xzoo.errors import UsageError
from xzoo.train.objective import probabilities
from xzoo.zoo.maps import MapLayer
from xzoo.zoo.spec import Preprocess

_MODES = {"nearest": "nearest-exact", "bilinear": "bilinear", "bicubic": "bicubic"}


class Deployed(nn.Module):
    """A network with its preprocessing and the names of its classes; `softmax` of its logits are probabilities.

    The keys of `network.state_dict()` are those of the backbone's source. `resize` is the shorter side before a centre crop,
    None where images go straight to their size. `map_layer` is the layer that its backbone declares for class activation maps,
    and `head_paths` are those of its head, where they are known.
    """

    def __init__(
        self,
        network: nn.Module,
        classes: Sequence[str],
        preprocess: Preprocess,
        resize: int | None = None,
        *,
        map_layer: MapLayer | None = None,
        head_paths: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.classes = tuple(classes)
        self.preprocess = preprocess
        self.resize = resize
        self.map_layer = map_layer
        self.head_paths = tuple(head_paths)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B,K) for gray or RGB images of any size, uint8 or floats in [0, 1]. Raises UsageError for others.

        A single logit z of two classes comes as (0, z), which means the same.
        """
        return self.logits(self.fitted(images_BCHW))

    def fitted(self, images_BCHW: Tensor) -> Tensor:
        """Return floats in [0, 1] at the network's input size, antialiased. Pillow, which resizes files, differs by rounding."""
        _check(images_BCHW)
        is_bytes = images_BCHW.dtype == torch.uint8
        images_BCHW = images_BCHW.float() / (255 if is_bytes else 1)
        if images_BCHW.shape[1] > self.preprocess.num_channels:
            images_BCHW = luminance(images_BCHW)
        images_BCHW = self._resized(images_BCHW)
        return images_BCHW.mul(255).round().div(255) if is_bytes else images_BCHW

    def logits(self, fitted_BCHW: Tensor) -> Tensor:
        """Return logits (B,K) for floats in [0, 1] that have the network's input size."""
        images_BCHW = normalised(fitted_BCHW, self.preprocess).contiguous(memory_format=torch.channels_last)
        out = self.network(images_BCHW)
        # A network with auxiliary heads returns theirs too while it is in train mode.
        logits: Tensor = out if isinstance(out, Tensor) else out[0]
        is_single = logits.shape[1] == 1
        return torch.cat([torch.zeros_like(logits), logits], 1) if is_single else logits

    @torch.no_grad()
    def probabilities(self, images_BCHW: Tensor) -> Tensor:
        """Return probabilities (B,K) in float64 for images as `forward` takes them."""
        return probabilities(self(images_BCHW))

    def _resized(self, images_BCHW: Tensor) -> Tensor:
        size = self.preprocess.shape
        if self.resize is None:
            return self._interpolated(images_BCHW, size)
        height, width = images_BCHW.shape[-2:]
        scale = self.resize / min(height, width)
        images_BCHW = self._interpolated(
            images_BCHW, (max(self.resize, int(height * scale)), max(self.resize, int(width * scale)))
        )
        top, left = (round((have - want) / 2) for have, want in zip(images_BCHW.shape[-2:], size, strict=True))
        return images_BCHW[..., top : top + size[0], left : left + size[1]]

    def _interpolated(self, images_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
        if tuple(images_BCHW.shape[-2:]) == size:
            return images_BCHW
        mode = _MODES[self.preprocess.interpolation]
        if mode == "nearest-exact":
            return F.interpolate(images_BCHW, size, mode=mode)
        # The bicubic filter overshoots at edges.
        return F.interpolate(images_BCHW, size, mode=mode, antialias=True).clamp(0, 1)


def _check(images_BCHW: Tensor) -> None:
    if images_BCHW.dim() != 4 or images_BCHW.shape[1] not in {1, 3} or not images_BCHW.numel():
        raise UsageError(f"images of shape {tuple(images_BCHW.shape)} cannot be predicted", "give (B,1,H,W) or (B,3,H,W)")
    if images_BCHW.dtype == torch.uint8:
        return
    if not images_BCHW.is_floating_point():
        raise UsageError(f"images of {images_BCHW.dtype} cannot be predicted", "give uint8, or floats in [0, 1]")
    # Looking at values would cut a graph that is being compiled or exported in two.
    if not torch.compiler.is_compiling() and not (images_BCHW.min() >= 0 and images_BCHW.max() <= 1):
        low, high = float(images_BCHW.min()), float(images_BCHW.max())
        raise UsageError(f"images hold floats from {low:g} to {high:g}", "scale them to [0, 1], or give uint8")
