"""How long one batch takes, warmed up and synchronised."""

# B = images in a batch, C = channels, H, W = pixels

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from xzoo.runs.result import Latency

_ENOUGH = {50: 1, 90: 20, 99: 100}


def time_batches(
    module: nn.Module,
    images_BCHW: Tensor,
    *,
    engine: str = "eager",
    precision: str = "fp32",
    budget_s: float = 5.0,
    warmup: int = 5,
    max_n: int = 100,
) -> Latency:
    """Return the time to run this batch in eval mode, in milliseconds; module and images lie on the same device already.

    Up to `warmup` calls go uncounted, then up to `max_n` are timed one by one; both stop early so that all takes about `budget_s`
    seconds, but one of each is always made. A percentile is None where n is too small to hold an observation beyond it with
    some certainty: p90 below 20 calls, p99 below 100. `engine` only names what `module` is. Raises ValueError for a precision
    other than `fp32` and `bf16`.
    """
    if precision not in {"fp32", "bf16"}:
        raise ValueError(f"precision {precision!r}")
    with _deployed(module), torch.no_grad(), _cast(images_BCHW.device, precision):
        start = time.perf_counter()
        _times(module, images_BCHW, warmup, budget_s / 3)
        seconds = _times(module, images_BCHW, max_n, budget_s - (time.perf_counter() - start))
    p50, p90, p99 = (_percentile(seconds, percent) for percent in _ENOUGH)
    rate = len(seconds) * len(images_BCHW) / sum(seconds)
    return Latency(engine, precision, len(images_BCHW), p50 or 0.0, p90, p99, rate, len(seconds))


def _times(module: nn.Module, images_BCHW: Tensor, most: int, budget_s: float) -> list[float]:
    seconds: list[float] = []
    while not seconds or (len(seconds) < most and sum(seconds) < budget_s):
        _wait(images_BCHW.device)
        start = time.perf_counter()
        module(images_BCHW)
        _wait(images_BCHW.device)
        seconds.append(time.perf_counter() - start)
    return seconds


def _percentile(seconds: list[float], percent: int) -> float | None:
    return float(np.percentile(seconds, percent)) * 1e3 if len(seconds) >= _ENOUGH[percent] else None


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _cast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """Return the autocast of this precision; one spans all calls, since its copies of the weights live as long as it does."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


@contextlib.contextmanager
def _deployed(module: nn.Module) -> Iterator[None]:
    """Put every module in eval mode and let autocast keep its weight casts; give all flags back afterwards.

    Autocast keeps a cast only of a parameter that requires gradients and outside inference_mode, else it is made at every call.
    """
    modes = {part: part.training for part in module.modules()}
    learning = {parameter: parameter.requires_grad for parameter in module.parameters()}
    try:
        module.eval()
        for parameter in learning:
            parameter.requires_grad_(parameter.is_floating_point())
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
        for parameter, flag in learning.items():
            parameter.requires_grad_(flag)
