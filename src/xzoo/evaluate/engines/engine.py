"""What an engine is, and what it returns.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from xzoo.train.device import Device


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network ready to run: images (B,C,H,W) float32, of any B, to a float32 tensor (B,...).

    `precision` is what it computes in, which is not always what was asked for; `detail` says how it was made, and why.
    """

    run: Callable[[Tensor], Tensor]
    precision: str
    detail: str = ""

    def __call__(self, images_BCHW: Tensor) -> Tensor:
        """Return the network's output for these images."""
        return self.run(images_BCHW)


class Engine(Protocol):
    """Something that executes inference. `package` is the distribution whose version its numbers rest on."""

    name: str
    package: str

    def missing(self, device: Device) -> tuple[str, str] | None:
        """Return what keeps it from running on this device, and the remedy; None where it runs."""
        ...

    def load(self, module: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
        """Return a copy of `module` made ready, conversion and compilation included, for batches as large as `images_BCHW`.

        The images lie on the device, as all later ones do. The module is left as it was.
        """
        ...


def missing_extra(extra: str, packages: Sequence[str], device: Device) -> tuple[str, str] | None:
    """Return what keeps an engine from running that computes on the CPU and needs these packages; None where it runs."""
    if device.kind != "cpu":
        return "it computes on the CPU", "use --device cpu, or the engine eager"
    if any(importlib.util.find_spec(package) is None for package in packages):
        return f"the extra {extra} is not installed", f"pip install 'xzoo[{extra}]'"
    return None


def in_batches(run: Callable[[Tensor], Tensor], batch_size: int) -> Callable[[Tensor], Tensor]:
    """Return `run`, which takes batches of one size alone, for any number of images.

    `run` must return memory that its next call leaves alone.
    """

    def run_any(images_BCHW: Tensor) -> Tensor:
        if len(images_BCHW) == batch_size:
            return run(images_BCHW)
        parts = torch.split(images_BCHW, batch_size)
        found = [run(filled(part, batch_size))[: len(part)] for part in parts]
        return torch.cat(found)

    return run_any


def filled(images_BCHW: Tensor, batch_size: int) -> Tensor:
    """Return the images with zeros behind them, as many as make a batch; a whole batch as it is."""
    if len(images_BCHW) == batch_size:
        return images_BCHW
    whole_BCHW = torch.zeros_like(images_BCHW[:1]).repeat(batch_size, 1, 1, 1)
    whole_BCHW[: len(images_BCHW)] = images_BCHW
    return whole_BCHW
