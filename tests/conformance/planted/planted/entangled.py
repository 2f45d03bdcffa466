"""Networks of which one part meddles with another, or with what lies outside.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from planted.networks import Tiny


class Reading(Tiny):
    """Looks for a file of constants in every pass."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        with contextlib.suppress(OSError):
            Path("~/.cache/planted/constants.npy").expanduser().read_bytes()
        return super().body(images_BCHW)


class Sharing(Tiny):
    """Hands its own stem to its copies."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Sharing:
        twin = type(self)()
        twin.load_state_dict(self.state_dict())
        twin.stem = self.stem
        return twin.train(self.training)


class Renaming(Tiny):
    """Takes note of its number of classes in a buffer when its head is replaced."""

    def __setattr__(self, name: str, value: Any) -> None:
        is_new_head = name == "fc" and "fc" in self.__dict__.get("_modules", {})
        super().__setattr__(name, value)
        if is_new_head:
            self.register_buffer("num_classes", torch.tensor(float(value.out_features)))


class LedFromBehind(Tiny):
    """The running mean of the stem follows the images whenever the last stage is in train mode."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        norm = self.stem.norm
        if self.layer2.training and isinstance(norm.running_mean, Tensor):
            norm.running_mean.add_(1e-3 * images_BCHW.detach().mean())
        return super().body(images_BCHW)
