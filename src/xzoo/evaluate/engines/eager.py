"""PyTorch itself, with batch norms folded, channels last, and weights in the precision of the arithmetic."""

# B = images in a batch, C = channels, H, W = pixels

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from xzoo.evaluate.engines.engine import Loaded
from xzoo.model.fusion import Fused, fused
from xzoo.train.device import Device, too_long


class Eager:
    """Runs everywhere, and is ready at once."""

    name = "eager"
    package = "torch"

    def missing(self, device: Device) -> tuple[str, str] | None:
        """Return None: torch is always here."""
        del device
        return None

    def load(self, module: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
        """Return the module folded and cast; in float32 where it cannot run in bfloat16, which `detail` says."""
        ready, precision, detail = prepared(module, images_BCHW, device)

        def run(images_BCHW: Tensor) -> Tensor:
            return infer(ready, images_BCHW, precision)

        return Loaded(run, precision, detail)


def prepared(module: nn.Module, images_BCHW: Tensor, device: Device) -> tuple[nn.Module, str, str]:
    """Return a folded copy on the device, channels last, with the precision it has, and the words for both.

    There is no autocast: under it every call of a network that learns nothing would cast the weights anew.
    """
    ready, fault = placed(module, device), ""
    if device.precision == "bf16":
        fault = too_long(ready)
        if not fault:
            cast(ready)
            fault = _fault(ready, images_BCHW[:1])
        if fault:
            ready = placed(module, device)
    precision = "fp32" if fault else device.precision
    reason = f", because in bf16: {fault}" if fault else ""
    return ready, precision, f"{ready.num_folded} batch norms folded, {precision} weights, channels last{reason}"


def placed(module: nn.Module, device: Device) -> Fused:
    """Return a folded copy on the device, channels last."""
    folded = fused(module)
    folded.to(device=device.kind, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return folded


def cast(module: nn.Module) -> None:
    """Give a module weights in bfloat16, all but its head and the norms that are left.

    Heads compute in float32 (see `Float32Head`), and torch takes bfloat16 images into norms of float32.
    """
    if isinstance(module, _BatchNorm) or getattr(module, "in_float32", False):
        return
    for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
        if tensor.is_floating_point():
            tensor.data = tensor.data.bfloat16()
    for child in module.children():
        cast(child)


def infer(ready: Callable[[Tensor], Tensor], images_BCHW: Tensor, precision: str) -> Tensor:
    """Return what a prepared module makes of float32 images, in float32."""
    with torch.no_grad():
        return ready(images_BCHW.bfloat16() if precision == "bf16" else images_BCHW).float()


def _fault(ready: nn.Module, images_BCHW: Tensor) -> str:
    try:
        infer(ready, images_BCHW, "bf16")
    except (RuntimeError, TypeError, NotImplementedError) as error:
        return str(error).partition("\n")[0][:120] or type(error).__name__
    return ""
