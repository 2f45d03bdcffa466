"""torch held to algorithms that give the same bits every time, and networks made to have them.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from xzoo.errors import PreflightError
from xzoo.train.device import Device

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_SAYING = "does not have a deterministic implementation"


@contextlib.contextmanager
def deterministic(device: Device) -> Iterator[None]:
    """Let torch raise where an operation has no way that repeats, if the device was chosen so; put its settings back afterwards.

    cuBLAS repeats with a workspace of its own for each stream alone, and reads which it has before its first product
    (https://docs.nvidia.com/cuda/cublas/, "Results Reproducibility"); a choice made outside of this process stays.
    """
    if not device.deterministic:
        yield
        return
    os.environ.setdefault(_WORKSPACE, ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def refusal(error: BaseException, name: str) -> PreflightError | None:
    """Return what to tell where an operation of a network has no way that repeats; None for any other error."""
    if _SAYING not in str(error):
        return None
    operation = str(error).partition(_SAYING)[0].strip().split(" ")[-1]
    return PreflightError(
        f"{name}: {operation} has no deterministic way on this device", "leave out --deterministic, or use --device cpu"
    )
